//! Page-table writes: collected as data, then carried out in one hypercall.
//!
//! A PV guest's tables are read-only to it; each change is an element of `mmu_update`, checked by Xen. Elements are
//! cheap, hypercalls are not, so a stage collects all its writes in a [`Batch`] and commits once. The order within
//! a batch matters to Xen: a page must have lost its last writable mapping before it can become a table.
//!
//! Xen stops at the first element that it refuses; those before it have taken effect. A batch knows what each entry was
//! before, and undoes them, last one first, so that a stage is carried out completely or not at all.
//!
//! A processor caches translations, and the ABI promises no flush with `mmu_update`: Xen flushes for entries of
//! level 2 and above since the fixes for XSA-286, and did not before. So a batch flushes by itself, and decides by
//! what it changes whether it must: no caller can get this wrong. The flush is a hypercall of its own
//! (`MMUEXT_TLB_FLUSH_LOCAL`): a boot needs a dozen, and a multicall would save less than a microsecond each, but add
//! one more way to be refused halfway.
//!
//! Neighbours: `tables`, `direct_map`, `cleanup` and `vmalloc` fill batches.
//! Sources: xen/include/public/xen.h (mmu_update, MMUEXT_TLB_FLUSH_LOCAL); xen/arch/x86/mm.c (do_mmu_update) and the
//! message of commit 16a20963b3 (facts).

use alloc::vec::Vec;
use core::fmt;

use xen::abi::MmuUpdate;
use xen::addr::{Mfn, PAGE_SIZE, VirtAddr};
use xen::pte::{Level, Pte};
use xen::{Errno, Hypervisor, Stopped};

/// One entry of one page table, named as Xen names it: by machine address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The table's machine frame.
    pub table: Mfn,
    /// The table's level.
    pub level: Level,
    /// Index of the entry, 0 to 511.
    pub index: usize,
}

/// A refused hypercall: verb, object, error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmuError {
    /// Xen refused one element; those before it took effect.
    Refused {
        /// The entry.
        slot: Slot,
        /// What should have been written.
        value: u64,
        /// Index of the element in its batch.
        element: usize,
        /// Elements in the batch.
        of: usize,
        /// Xen's error.
        errno: Errno,
        /// What became of the elements before it.
        undone: Undone,
    },
    /// Xen refused to flush.
    Flush {
        /// Xen's error.
        errno: Errno,
        /// What became of the elements, all of which had taken effect.
        undone: Undone,
    },
}

/// What became of the elements that took effect before the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Every entry is what it was.
    All,
    /// Some are not: pages that the batch names must never be used again.
    Failed(Errno),
}

impl MmuError {
    /// Returns what became of the elements that took effect before the refusal.
    #[must_use]
    pub const fn undone(self) -> Undone {
        match self {
            Self::Refused { undone, .. } | Self::Flush { undone, .. } => undone,
        }
    }
}

impl core::error::Error for MmuError {}

impl fmt::Display for MmuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { slot, value, element, of, errno, .. } => write!(
                f,
                "mmu_update: {:?} table {} entry {} := {value:#x} (element {element} of {of}): {errno}",
                slot.level, slot.table, slot.index
            ),
            Self::Flush { errno, .. } => write!(f, "mmuext_op: flush TLB: {errno}"),
        }?;
        match self.undone() {
            Undone::All => Ok(()),
            Undone::Failed(errno) => write!(f, "; what was done before could not be undone: {errno}"),
        }
    }
}

/// The most changes for one hypercall where a stage may have any number of them, because they are held in the heap.
/// 2048 cover 8 MiB of pages and take 64 KiB of heap; beyond some hundreds, larger hypercalls gain nothing.
const FULL: usize = 2048;

/// What an entry was before its change.
#[derive(Clone, Copy, Debug)]
struct Before {
    level: Level,
    entry: Pte,
}

/// Page-table writes that have not happened yet.
///
/// The changes are collected in the form that Xen takes, so that a commit, even one that is undone, needs no more
/// memory than the batch itself.
#[derive(Debug, Default)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    elements: Vec<MmuUpdate>,
    before: Vec<Before>,
}

impl Batch {
    /// Starts an empty batch.
    pub const fn new() -> Self {
        Self { elements: Vec::new(), before: Vec::new() }
    }

    /// Makes room for exactly `changes` more changes: a vector that doubles would need three times the memory of a
    /// small heap. For batches that grow with the domain.
    pub(crate) fn reserve(&mut self, changes: usize) {
        self.elements.reserve_exact(changes);
        self.before.reserve_exact(changes);
    }

    /// Adds a write after those already there. `before` is what the entry is now: it is restored if Xen refuses, and
    /// a flush follows if translations by it may be cached.
    pub(crate) fn change(&mut self, slot: Slot, before: Pte, after: Pte) {
        let offset = slot.index * size_of::<Pte>();
        self.elements
            .push(MmuUpdate { ptr: slot.table.raw() * PAGE_SIZE + offset as u64, val: after.word() });
        self.before.push(Before { level: slot.level, entry: before });
    }

    /// Carries the writes out in one hypercall, and flushes the TLB in another if one of the entries was present:
    /// what it allowed must not be used any more.
    ///
    /// # Errors
    /// [`MmuError`] naming the entry that Xen refused; every entry is what it was before, unless the error says
    /// otherwise.
    pub(crate) fn commit<X: Hypervisor>(self, xen: &mut X) -> Result<(), MmuError> {
        if self.elements.is_empty() {
            return Ok(());
        }
        if let Err(stopped) = write(xen, &self.elements) {
            return Err(self.refused(stopped, xen));
        }
        if !self.leaves_stale_translations() {
            return Ok(());
        }
        xen.flush_tlb().map_err(|errno| MmuError::Flush { errno, undone: self.undo(xen) })
    }

    /// Processors do not cache absent entries; they may cache any other.
    fn leaves_stale_translations(&self) -> bool {
        self.before.iter().any(|before| before.entry.is_present())
    }

    /// Commits and starts a new batch if there are enough changes for a hypercall; for changes that need not be made
    /// all or none.
    ///
    /// # Errors
    /// As for `commit`; earlier batches stay done.
    pub(crate) fn commit_if_full<X: Hypervisor>(&mut self, xen: &mut X) -> Result<(), MmuError> {
        if self.elements.len() < FULL { Ok(()) } else { core::mem::take(self).commit(xen) }
    }

    fn slot(&self, element: usize) -> Slot {
        let ptr = self.elements[element].ptr;
        // Below 512: fits any usize.
        let index = (ptr % PAGE_SIZE) as usize / size_of::<Pte>();
        Slot { table: Mfn::new(ptr / PAGE_SIZE), level: self.before[element].level, index }
    }

    fn refused<X: Hypervisor>(mut self, stopped: Stopped, xen: &mut X) -> MmuError {
        let of = self.elements.len();
        let element = stopped.done.min(of - 1);
        let (slot, value) = (self.slot(element), self.elements[element].val);
        self.elements.truncate(element);
        MmuError::Refused { slot, value, element, of, errno: stopped.errno, undone: self.undo(xen) }
    }

    /// Undoes the changes, last one first: a table must be unhooked before its page can be writable again.
    fn undo<X: Hypervisor>(mut self, xen: &mut X) -> Undone {
        if self.elements.is_empty() {
            return Undone::All;
        }
        for (element, before) in self.elements.iter_mut().zip(&self.before) {
            element.val = before.entry.word();
        }
        self.elements.reverse();
        let undone = write(xen, &self.elements).map_err(|stopped| stopped.errno);
        // Translations of the refused state may have been cached meanwhile, even if it could be undone only in part.
        undone.and(xen.flush_tlb()).map_or_else(Undone::Failed, |()| Undone::All)
    }
}

/// Writes the one L1 entry for `at` in a hypercall of its own, which also flushes its translation: the way that batches
/// avoid (`p2m=baseline`).
///
/// # Errors
/// [`MmuError`] naming the entry.
#[expect(unsafe_code, reason = "changes a page table")]
pub(crate) fn write_one<X: Hypervisor>(
    xen: &mut X,
    slot: Slot,
    at: VirtAddr,
    entry: Pte,
) -> Result<(), MmuError> {
    // SAFETY: as in `write`.
    unsafe { xen.update_va_mapping(at, entry.word()) }.map_err(|errno| MmuError::Refused {
        slot,
        value: entry.word(),
        element: 0,
        of: 1,
        errno,
        undone: Undone::All,
    })
}

#[expect(unsafe_code, reason = "the one place that changes page tables")]
fn write<X: Hypervisor>(xen: &mut X, elements: &[MmuUpdate]) -> Result<(), Stopped> {
    // SAFETY: batches are filled only within this crate and by those whom it lets fill a `Growth` (`change` is not
    // public), and its stages change no mapping that Rust data is reached through: the image keeps its addresses and
    // rights (`image`), what a window shows stays mapped, but for free pages, which nothing refers to (`balloon`), and
    // everything else is cleared only after its last user was re-pointed (`cleanup`). Undoing restores a state in which
    // all of that held already.
    unsafe { xen.mmu_update(elements) }
}
