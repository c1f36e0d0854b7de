//! Page-table writes: collected as data, then carried out in one hypercall.
//!
//! A PV guest's tables are read-only to it; each change is an element of `mmu_update`, checked by Xen. Elements are
//! cheap, hypercalls are not, so a stage collects all its writes in a [`Batch`] and commits once. The order within
//! a batch matters to Xen: a page must have lost its last writable mapping before it can become a table.
//!
//! Xen stops at the first element that it refuses, with those in front of it done. A batch knows what each entry was
//! before, and takes those back, last one first, so that a stage is done wholly or not at all.
//!
//! Neighbours: `tables`, `direct_map`, `cleanup` and `vmalloc` fill batches.
//! Sources: xen/include/public/xen.h (mmu_update); xen/arch/x86/mm.c (do_mmu_update, facts).

use alloc::vec::Vec;
use core::fmt;

use super::pte::{Level, Pte};
use crate::addr::{Mfn, PAGE_SIZE, VirtAddr};
use crate::xen::abi::MmuUpdate;
use crate::xen::{Errno, Hypervisor, Stopped};

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

/// Who flushes translations that the batch makes stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Nobody needs to: only entries that were zero get a value.
    NotNeeded,
    /// Xen does, because the batch changes an entry of level 2 or above.
    Implied,
    /// We do: Xen never flushes for level 1 alone, and a stale read-only or stale mapping would be used.
    Explicit,
}

/// A refused hypercall: verb, object, error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmuError {
    /// Xen refused one element; those in front of it took effect.
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
        /// What became of the elements in front of it.
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

/// Changes that one hypercall should carry at most, where a stage may have any number: they are held in the heap.
/// 4096 are 16 MiB of pages; past some hundreds, more to a hypercall gain nothing.
const FULL: usize = 4096;

/// One entry to change.
#[derive(Clone, Copy, Debug)]
struct Change {
    slot: Slot,
    before: Pte,
    after: Pte,
}

impl Change {
    fn element(&self, entry: Pte) -> MmuUpdate {
        let offset = self.slot.index * size_of::<Pte>();
        MmuUpdate { ptr: self.slot.table.raw() * PAGE_SIZE + offset as u64, val: entry.word() }
    }
}

/// Page-table writes that have not happened yet.
#[derive(Debug, Default)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    changes: Vec<Change>,
}

impl Batch {
    /// Starts an empty batch.
    pub const fn new() -> Self {
        Self { changes: Vec::new() }
    }

    /// Adds a write behind those already there. `before` is what the entry is now: it comes back if Xen refuses.
    pub(super) fn change(&mut self, slot: Slot, before: Pte, after: Pte) {
        self.changes.push(Change { slot, before, after });
    }

    /// Carries the writes out, in one hypercall, and flushes if that is ours to do.
    ///
    /// # Errors
    /// [`MmuError`] naming the entry that Xen refused; every entry is what it was then, unless the error says no.
    pub(super) fn commit<X: Hypervisor>(self, xen: &mut X, flush: Flush) -> Result<(), MmuError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let elements: Vec<MmuUpdate> =
            self.changes.iter().map(|change| change.element(change.after)).collect();
        if let Err(stopped) = write(xen, &elements) {
            return Err(self.refused(stopped, xen));
        }
        match flush {
            Flush::NotNeeded | Flush::Implied => Ok(()),
            Flush::Explicit => {
                xen.flush_tlb().map_err(|errno| MmuError::Flush { errno, undone: undo(&self.changes, xen) })
            }
        }
    }

    /// Commits and starts anew if there are enough changes for a hypercall; for changes that need not be made all
    /// or none.
    ///
    /// # Errors
    /// As for `commit`; earlier batches stay done.
    pub(super) fn commit_if_full<X: Hypervisor>(
        &mut self,
        xen: &mut X,
        flush: Flush,
    ) -> Result<(), MmuError> {
        if self.changes.len() < FULL { Ok(()) } else { core::mem::take(self).commit(xen, flush) }
    }

    fn refused<X: Hypervisor>(&self, stopped: Stopped, xen: &mut X) -> MmuError {
        let element = stopped.done.min(self.changes.len() - 1);
        let Change { slot, after, .. } = self.changes[element];
        let undone = undo(&self.changes[..element], xen);
        let (value, of) = (after.word(), self.changes.len());
        MmuError::Refused { slot, value, element, of, errno: stopped.errno, undone }
    }
}

/// Writes the one L1 entry for `at`, in a hypercall of its own: what batches are there to avoid (`p2m=baseline`).
///
/// # Errors
/// [`MmuError`] naming the entry.
#[expect(unsafe_code, reason = "changes a page table")]
pub(super) fn write_one<X: Hypervisor>(
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

/// Takes changes back, last one first: a table must be unhooked before its page can be writable again.
fn undo<X: Hypervisor>(changes: &[Change], xen: &mut X) -> Undone {
    let elements: Vec<MmuUpdate> = changes.iter().rev().map(|change| change.element(change.before)).collect();
    if elements.is_empty() {
        return Undone::All;
    }
    // Translations of the refused state may have been used meanwhile.
    let undone = write(xen, &elements).map_err(|stopped| stopped.errno).and_then(|()| xen.flush_tlb());
    undone.map_or_else(Undone::Failed, |()| Undone::All)
}

#[expect(unsafe_code, reason = "the one place that changes page tables")]
fn write<X: Hypervisor>(xen: &mut X, elements: &[MmuUpdate]) -> Result<(), Stopped> {
    // SAFETY: batches are filled within `mm` only (`change` is not public), and its stages change no mapping that
    // Rust data is reached through: the image keeps its addresses and rights (`image`), windows show pages that
    // stay (`window`), everything else is cleared only after its last user was re-pointed (`cleanup`). Undoing
    // brings back a state in which all of that held already.
    unsafe { xen.mmu_update(elements) }
}
