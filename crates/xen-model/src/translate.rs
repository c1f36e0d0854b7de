//! The processor: addresses are translated by the modelled tables, and remembered until somebody flushes.
//!
//! The TLB has no limit and evicts nothing by itself: the worst case that software must be right for. A translation
//! that does not allow an access faults, also if the tables would allow it by now, as on hardware.

use core::fmt;

use crate::entry::{self, XEN_SLOTS};
use crate::mapping::{Mapping, Use};
use crate::state::Xen;
use xen::addr::{Mfn, PAGE_SIZE, VirtAddr};
use xen::pte::Level;

/// Why an access faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotPresent,
    Forbidden,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPresent => "nothing is mapped there",
            Self::Forbidden => "the mapping does not allow it",
        })
    }
}

impl Xen {
    /// Translates by the tables alone, as a processor with an empty TLB would.
    #[must_use]
    pub fn mapping(&self, at: VirtAddr) -> Option<Mapping> {
        let mut mapping = Mapping { mfn: self.root, writable: true, executable: true };
        for level in [Level::L4, Level::L3, Level::L2, Level::L1] {
            let index = level.index(at);
            let word = self.memory.word(mapping.mfn, index);
            if !entry::is_present(word) || (level == Level::L4 && XEN_SLOTS.contains(&index)) {
                return None;
            }
            mapping.mfn = entry::frame(word);
            mapping.writable &= word & entry::WRITABLE != 0;
            mapping.executable &= word & entry::NO_EXECUTE == 0;
            if entry::is_large(word, level) {
                mapping.mfn = Mfn::new(mapping.mfn.raw() + at.as_u64() % level.span() / PAGE_SIZE);
                break;
            }
        }
        Some(mapping)
    }

    /// Returns the table of `level` that covers `at`.
    #[must_use]
    pub fn table_at(&self, at: VirtAddr, level: Level) -> Option<Mfn> {
        let mut table = (self.root, Level::L4);
        while table.1 > level {
            let word = self.memory.word(table.0, table.1.index(at));
            let is_table = entry::is_present(word) && !entry::is_large(word, table.1);
            table = (entry::frame(word), table.1.below().filter(|_| is_table)?);
        }
        Some(table.0)
    }

    /// Translates as the processor does: by the TLB, then by the tables.
    pub(crate) fn translate(&self, at: VirtAddr, access: Use) -> Result<Mfn, Fault> {
        self.check_stale();
        let page = at.as_u64() >> 12;
        let mut tlb = self.tlb.borrow_mut();
        let mapping = match tlb.get(page, &self.memory) {
            Some(mapping) => mapping,
            None => {
                let mapping = self.mapping(at).ok_or(Fault::NotPresent)?;
                tlb.insert(page, mapping);
                mapping
            }
        };
        let allowed = match access {
            Use::Read => true,
            Use::Write => mapping.writable,
            Use::Execute => mapping.executable,
        };
        if allowed {
            return Ok(mapping.mfn);
        }
        tlb.forget(page, &self.memory);
        Err(Fault::Forbidden)
    }

    /// Translates for the kernel, which dies of a fault.
    ///
    /// # Panics
    /// If the access faults.
    pub(crate) fn must_translate(&self, at: VirtAddr, access: Use) -> Mfn {
        match self.translate(at, access) {
            Ok(mfn) => mfn,
            Err(fault) => panic!("page fault, the kernel dies: {access:?} at {at:#x}: {fault}"),
        }
    }

    /// Forgets one translation.
    pub(crate) fn forget(&self, at: VirtAddr) {
        self.tlb.borrow_mut().forget(at.as_u64() >> 12, &self.memory);
    }

    /// Forgets the translations that lead to a frame.
    pub(crate) fn forget_frame(&self, mfn: Mfn) {
        self.tlb.borrow_mut().forget_frame(mfn, &self.memory);
    }

    /// Forgets every translation.
    pub(crate) fn forget_all(&self) {
        self.tlb.borrow_mut().clear();
        self.note_forgotten();
    }

    /// The kernel runs while its tables change: its code must stay executable and its data writable.
    ///
    /// # Panics
    /// If a page of the image is not what the running kernel needs.
    pub(crate) fn check_kernel(&self) {
        let Some(facts) = self.facts else { return };
        for page in 0..facts.image.pages() {
            let at = VirtAddr::new_truncate(facts.image.start.as_u64() + page * 4096);
            let mapping = self.mapping(at);
            let good = mapping.is_some_and(|mapping| match () {
                () if facts.text.contains(at) => mapping.executable,
                () if facts.rodata.contains(at) => true,
                () => mapping.writable,
            });
            let good = good || at == facts.stack_guard;
            assert!(good, "the kernel loses its own page at {at:#x}: now {mapping:x?}");
        }
    }
}
