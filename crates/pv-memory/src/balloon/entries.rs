//! The entries of pages that go and come: in the P2M and in the direct map.

use alloc::vec::Vec;

use super::resized::Short;
use crate::commit::Batch;
use crate::direct_map;
use crate::error::MmError;
use crate::frames::Run;
use crate::memory::Memory;
use crate::p2m::{Physmap, Slot};
use crate::resources::Resources;
use xen::Hypervisor;
use xen::addr::{Mfn, Pfn, PfnRange};
use xen::pte::Pte;

/// The memory of a domain, lent for work that changes its P2M.
#[derive(Debug)]
pub struct MemoryMut<'m> {
    /// The P2M.
    pub p2m: &'m mut Physmap,
    /// Page tables and free pages.
    pub resources: Resources<'m>,
}

impl MemoryMut<'_> {
    /// The same, for work that only reads the P2M.
    pub(super) fn as_memory(&mut self) -> Memory<'_> {
        let Resources { tables, frames } = &mut self.resources;
        Memory { tables, p2m: self.p2m, frames }
    }

    /// Returns the frame of a page.
    pub(super) fn frame<X: Hypervisor>(&self, xen: &X, pfn: Pfn) -> Option<Mfn> {
        self.p2m.frame(self.resources.tables.window(), xen, pfn)
    }

    /// Makes the entry of a page with a frame missing.
    pub(super) fn clear<X: Hypervisor>(&mut self, xen: &mut X, pfn: Pfn) {
        let set = self.p2m.set(&mut self.resources, xen, pfn, Slot::Missing);
        set.expect("an entry with a frame has a leaf of its own: the change takes no memory");
    }

    /// Enters the frame of a page whose leaf was reserved.
    pub(super) fn enter<X: Hypervisor>(&mut self, xen: &mut X, pfn: Pfn, mfn: Mfn) {
        let set = self.p2m.set(&mut self.resources, xen, pfn, Slot::Frame(mfn));
        set.expect("the leaf was reserved: the change takes no memory");
    }

    /// Returns the number of free pages that the direct map shows.
    pub(super) fn free_shown(&self) -> u64 {
        self.resources.frames.pages_shown(self.resources.tables.window())
    }

    /// Makes pages free.
    pub(super) fn free(&mut self, run: Run) -> Result<(), MmError> {
        Ok(self.resources.frames.give_back(run)?)
    }

    /// Makes pages free, unless `error` left some of them mapped where the window does not know.
    pub(super) fn release(&mut self, run: Run, error: MmError) -> Result<(), MmError> {
        self.resources.tables.release([run], error, self.resources.frames)
    }
}

/// Takes pages out of the direct map, all or none.
pub(super) fn hide<X: Hypervisor>(
    shown: &[PfnRange],
    memory: &mut MemoryMut<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    let tables = &mut *memory.resources.tables;
    let mut batch = Batch::new();
    for pfn in shown.iter().flat_map(|part| part.iter()) {
        let (slot, entry) = tables.shown(xen, pfn)?;
        batch.change(slot, entry, Pte::ABSENT);
    }
    batch.commit(xen)?;
    shown.iter().for_each(|part| tables.window_mut().shrink(*part));
    Ok(())
}

/// Gives pages that Xen did not take their entries and mappings again, and makes them free.
pub(super) fn restore<X: Hypervisor>(
    run: Run,
    frames: &[Mfn],
    shown: &[PfnRange],
    memory: &mut MemoryMut<'_>,
    xen: &mut X,
) -> Result<(), Short> {
    run.pages().iter().zip(frames).for_each(|(pfn, mfn)| memory.enter(xen, pfn, *mfn));
    let parts = shown.iter().map(|part| shared(*part, run.pages()));
    let own: Vec<PfnRange> = parts.filter(|part| !part.is_empty()).collect();
    match direct_map::extend(&mut memory.as_memory(), &own, xen) {
        Ok(()) => Ok(memory.free(run)?),
        Err(error) => {
            memory.release(run, error)?;
            Err(error.into())
        }
    }
}

/// The pages that two ranges share.
pub(super) fn shared(one: PfnRange, other: PfnRange) -> PfnRange {
    PfnRange::between(one.start.max(other.start), one.end.min(other.end))
}
