//! Wrong frame lists, on purpose: one leaf has the frame of another.
//!
//! A comparison of what the toolstack reads with what the guest has proves something only if it can fail. Here the tree
//! that the domain itself uses stays right, and the frame list that the toolstack reads gets one wrong entry
//! (`selftest=lost-leaf`, `selftest=twice-named-leaf`).
//!
//! Neighbours: `digest` says what a reader should find.

use super::index::{Index, PER_LEAF};
use super::physmap::Physmap;
use crate::error::MmError;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{Pfn, PfnRange};

/// Which frame the wrong entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongFrame {
    /// That of the leaf before: as many entries, but of other pages.
    LeafBefore,
    /// That of the leaf that all holes share: the pages are lost.
    SharedMissing,
}

/// The first page of the wrong leaf: the second leaf, which every domain has that boots.
const LEAF: Pfn = Pfn::new(PER_LEAF);

impl Physmap {
    /// Puts a wrong frame into the frame list for the second leaf; returns the pages that the toolstack misreads.
    ///
    /// # Errors
    /// [`MmError::NoFrame`] if the domain has no second leaf, or no frame list.
    pub fn misname<X: Hypervisor>(
        &self,
        window: &Window,
        xen: &mut X,
        wrong: WrongFrame,
    ) -> Result<PfnRange, MmError> {
        let none = MmError::NoFrame { pfn: LEAF };
        let index = Index::of(LEAF).filter(|_| LEAF.raw() < self.nr_pages()).ok_or(none)?;
        let list = self.frame_list.as_ref().ok_or(none)?;
        let frame = match wrong {
            WrongFrame::LeafBefore => Index::of(Pfn::ZERO).map(|before| list.entry(window, xen, before)),
            WrongFrame::SharedMissing => self.frame(window, xen, self.missing.first()),
        };
        list.set(index.top as u64, index.mid, frame.ok_or(none)?, window, xen);
        Ok(PfnRange::new(LEAF, PER_LEAF.min(self.nr_pages() - LEAF.raw())))
    }
}
