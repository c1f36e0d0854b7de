//! Machine frames of many pages, read a leaf at a time.
//!
//! A lookup for each page would read three pages of the tree again and again. Neighbours: `list` and `tree` are what
//! can be read so; `build` reads the first, everybody else the second.

use super::index::INVALID;
use crate::error::MmError;
use crate::window::Window;
use xen::addr::{ENTRIES, Mfn, Pfn};
use xen::{Hypervisor, Words};

/// Something that knows the machine frames of the domain's pages.
pub trait Leaves {
    /// Copies the leaf that describes the 512 pages from `slot` on; all ones after the last page.
    fn leaf_words<X: Hypervisor>(&self, window: &Window, xen: &X, slot: Pfn) -> Words;
}

/// Looks up machine frames of rising pfns.
pub(crate) struct FrameReader<'p, L: Leaves> {
    leaves: &'p L,
    slot: Pfn,
    words: Words,
}

impl<'p, L: Leaves> FrameReader<'p, L> {
    pub(crate) const fn new(leaves: &'p L) -> Self {
        Self { leaves, slot: Pfn::new(u64::MAX), words: [INVALID; 512] }
    }

    pub(crate) fn frame<X: Hypervisor>(
        &mut self,
        window: &Window,
        xen: &X,
        pfn: Pfn,
    ) -> Result<Mfn, MmError> {
        if self.slot != pfn.slot_start() {
            self.slot = pfn.slot_start();
            self.words = self.leaves.leaf_words(window, xen, self.slot);
        }
        // Below 512: fits any usize.
        Mfn::from_p2m(self.words[(pfn.raw() % ENTRIES) as usize]).ok_or(MmError::NoFrame { pfn })
    }
}
