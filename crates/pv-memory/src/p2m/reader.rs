//! Machine frames of many pages, read a leaf at a time.
//!
//! A lookup for each page would read the same three pages of the tree again and again. Neighbours: `list` and `physmap`
//! can be read this way; `build` reads the first, everybody else the second.

use super::index::INVALID;
use crate::error::MmError;
use crate::window::{ShownPage, Window};
use xen::addr::{ENTRIES, Mfn, Pfn};
use xen::{Hypervisor, Words};

/// Something that knows the machine frames of the domain's pages.
pub trait Leaves<X: Hypervisor> {
    /// Copies the leaf that describes the 512 pages from `slot` on; all ones after the last page.
    fn leaf_words(&self, window: &Window, xen: &X, slot: Pfn) -> Words;
}

/// Something whose leaves are mapped.
pub(crate) trait MappedLeaves<X: Hypervisor> {
    /// Returns the leaf that describes a page; `None` after the last page.
    fn leaf<'l>(&'l self, window: &'l Window, xen: &X, pfn: Pfn) -> Option<ShownPage<'l>>;
}

/// Looks up the machine frames of pfns in ascending order, in leaves that stay where they are meanwhile.
pub(crate) struct FrameReader<'p, X> {
    leaves: &'p dyn MappedLeaves<X>,
    window: &'p Window,
    slot: Pfn,
    leaf: Option<ShownPage<'p>>,
}

impl<'p, X: Hypervisor> FrameReader<'p, X> {
    pub(crate) const fn new(leaves: &'p dyn MappedLeaves<X>, window: &'p Window) -> Self {
        Self { leaves, window, slot: Pfn::new(u64::MAX), leaf: None }
    }

    pub(crate) fn frame(&mut self, xen: &X, pfn: Pfn) -> Result<Mfn, MmError> {
        if self.slot != pfn.slot_start() {
            self.slot = pfn.slot_start();
            self.leaf = self.leaves.leaf(self.window, xen, self.slot);
        }
        // Below 512: fits any usize.
        let word = self.leaf.map_or(INVALID, |leaf| leaf.word(xen, (pfn.raw() % ENTRIES) as usize));
        Mfn::from_p2m(word).ok_or(MmError::NoFrame { pfn })
    }
}
