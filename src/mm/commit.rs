//! Page-table writes: collected as data, then carried out in one hypercall.
//!
//! A PV guest's tables are read-only to it; each change is an element of `mmu_update`, checked by Xen. Elements are
//! cheap, hypercalls are not, so a stage collects all its writes in a [`Batch`] and commits once. The order within
//! a batch matters to Xen: a page must have lost its last writable mapping before it can become a table.
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
    },
    /// Xen refused to flush.
    Flush(Errno),
}

impl fmt::Display for MmuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { slot, value, element, of, errno } => write!(
                f,
                "mmu_update: {:?} table {} entry {} := {value:#x} (element {element} of {of}): {errno}",
                slot.level, slot.table, slot.index
            ),
            Self::Flush(errno) => write!(f, "mmuext_op: flush TLB: {errno}"),
        }
    }
}

/// Page-table writes that have not happened yet.
#[derive(Debug, Default)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    writes: Vec<(Slot, Pte)>,
}

impl Batch {
    /// Starts an empty batch.
    pub const fn new() -> Self {
        Self { writes: Vec::new() }
    }

    /// Adds a write behind those already there.
    pub(super) fn write(&mut self, slot: Slot, entry: Pte) {
        self.writes.push((slot, entry));
    }

    /// Returns the number of entries that a commit will write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Carries the writes out, in one hypercall, and flushes if that is ours to do.
    ///
    /// # Errors
    /// [`MmuError`] naming the entry that Xen refused.
    #[expect(unsafe_code, reason = "the one place that changes page tables")]
    pub(super) fn commit<X: Hypervisor>(self, xen: &mut X, flush: Flush) -> Result<(), MmuError> {
        if self.writes.is_empty() {
            return Ok(());
        }
        let elements: Vec<MmuUpdate> =
            self.writes.iter().map(|&(slot, entry)| element(slot, entry)).collect();
        // SAFETY: batches are filled within `mm` only (`write` is not public), and its stages change no mapping that
        // Rust data is reached through: the image keeps its addresses and rights (`image`), windows show pages that
        // stay (`window`), everything else is cleared only after its last user was re-pointed (`cleanup`).
        unsafe { xen.mmu_update(&elements) }.map_err(|stopped| self.refused(stopped))?;
        match flush {
            Flush::NotNeeded | Flush::Implied => Ok(()),
            Flush::Explicit => xen.flush_tlb().map_err(MmuError::Flush),
        }
    }

    fn refused(&self, stopped: Stopped) -> MmuError {
        let element = stopped.done.min(self.writes.len() - 1);
        let (slot, entry) = self.writes[element];
        MmuError::Refused { slot, value: entry.word(), element, of: self.writes.len(), errno: stopped.errno }
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
    // SAFETY: as in `Batch::commit`.
    unsafe { xen.update_va_mapping(at, entry.word()) }
        .map_err(|errno| MmuError::Refused { slot, value: entry.word(), element: 0, of: 1, errno })
}

fn element(slot: Slot, entry: Pte) -> MmuUpdate {
    let offset = slot.index * size_of::<Pte>();
    MmuUpdate { ptr: slot.table.raw() * PAGE_SIZE + offset as u64, val: entry.word() }
}
