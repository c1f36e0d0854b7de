//! Machine frames of many pages, read a leaf at a time.
//!
//! A lookup for each page would read the same three pages of the tree again and again. Neighbours: `list` and `tree`
//! can be read this way; `build` reads the first, everybody else the second.

use super::index::INVALID;
use crate::error::MmError;
use crate::window::Window;
use xen::addr::{ENTRIES, Mfn, Pfn};
use xen::{Hypervisor, Words};

/// Something that knows the machine frames of the domain's pages.
pub trait Leaves<X: Hypervisor> {
    /// Copies the leaf that describes the 512 pages from `slot` on; all ones after the last page.
    fn leaf_words(&self, window: &Window, xen: &X, slot: Pfn) -> Words;
}

/// Looks up the machine frames of pfns in ascending order.
pub(crate) struct FrameReader<'p, X> {
    leaves: &'p dyn Leaves<X>,
    slot: Pfn,
    words: Words,
}

impl<'p, X: Hypervisor> FrameReader<'p, X> {
    pub(crate) const fn new(leaves: &'p dyn Leaves<X>) -> Self {
        Self { leaves, slot: Pfn::new(u64::MAX), words: [INVALID; 512] }
    }

    pub(crate) fn frame(&mut self, window: &Window, xen: &X, pfn: Pfn) -> Result<Mfn, MmError> {
        if self.slot != pfn.slot_start() {
            self.slot = pfn.slot_start();
            self.words = self.leaves.leaf_words(window, xen, self.slot);
        }
        // Below 512: fits any usize.
        Mfn::from_p2m(self.words[(pfn.raw() % ENTRIES) as usize]).ok_or(MmError::NoFrame { pfn })
    }
}
