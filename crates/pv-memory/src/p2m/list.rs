//! The builder's list: which page holds leaf n, and at which address.
//!
//! The list is the flat array pfn -> mfn, 512 entries per page, so its page n is leaf n of the P2M. Its pages are
//! taken as runs, which may lie anywhere; only this file knows their order, and where they are mapped until the P2M
//! is moved.
//!
//! Neighbours: `build` makes leaves of the pages, `physmap` follows leaf pointers to them, `revector` replaces them.

use alloc::vec::Vec;
use core::mem;

use super::index::PER_LEAF;
use super::reader::MappedLeaves;
use crate::builder_list::{BuilderList, OwnMapping};
use crate::frames::{FrameError, Frames, Run, part};
use crate::window::{ShownPage, Window};
use xen::Hypervisor;
use xen::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};

/// The pages that leaves lie in; while they are the builder's, leaf n is page n of them.
#[derive(Debug)]
pub(super) struct ListPages {
    runs: Vec<Run>,
    /// Where the builder mapped its list, page after page.
    at: VirtRange,
    /// The windows that show the builder's pages there, one per run, as long as leaf pointers may lead there.
    windows: Vec<Window>,
    /// That mapping, if it is the list's own, as long as it exists.
    own_mapping: Option<OwnMapping>,
}

impl ListPages {
    /// Takes over the builder's pages.
    ///
    /// # Errors
    /// [`FrameError::DoubleFree`] if one of them is free.
    pub(super) fn adopt(list: BuilderList, frames: &Frames) -> Result<Self, FrameError> {
        let BuilderList { addresses, pieces, own_mapping } = list;
        let runs: Result<_, _> = pieces.iter().map(|piece| frames.adopt(piece.pages)).collect();
        Ok(Self {
            runs: runs?,
            at: addresses,
            windows: pieces.iter().map(|piece| piece.window()).collect(),
            own_mapping,
        })
    }

    /// Returns the list's own mapping.
    pub(super) const fn own_mapping(&self) -> Option<&OwnMapping> {
        self.own_mapping.as_ref()
    }

    /// Returns where the builder mapped its list.
    pub(super) const fn range(&self) -> VirtRange {
        self.at
    }

    /// Returns the builder's address of leaf `number`.
    pub(super) const fn address(&self, number: u64) -> VirtAddr {
        VirtAddr::new_truncate(self.at.start.as_u64() + number * PAGE_SIZE)
    }

    /// Returns the page at one of the builder's addresses, and the mapping that shows it; `None` for any other address.
    pub(super) fn page_at(&self, at: VirtAddr) -> Option<(&Window, Pfn)> {
        let shown = self.windows.iter().map(|window| (window, window.pfn(at)));
        shown.into_iter().find(|(window, pfn)| window.shows(PfnRange::new(*pfn, 1)))
    }

    /// Returns the mapping through which a page of the list is read: the builder's, as long as leaf pointers lead there.
    pub(super) fn readable<'w>(&'w self, window: &'w Window, page: Pfn) -> &'w Window {
        self.windows.iter().find(|own| own.shows(PfnRange::new(page, 1))).unwrap_or(window)
    }

    /// Returns the mapping through which a page of the list is written: the direct map (`window`), which shows all
    /// pages of the high mapping, where some are read-only by now (`image`); for a list with its own mapping, that
    /// mapping.
    pub(super) fn writable<'w>(&'w self, window: &'w Window, page: Pfn) -> &'w Window {
        let page = PfnRange::new(page, 1);
        let own = self.windows.iter().find(|own| own.shows(page) && !window.shows(page));
        own.unwrap_or(window)
    }

    /// Returns up to `pages` pages from page `first` on, each contiguous part with the run that it belongs to.
    pub(super) fn part(&self, first: u64, pages: u64) -> impl Iterator<Item = (&Run, PfnRange)> {
        part(&self.runs, first, pages)
    }

    /// Tells whether leaves are still reached where the builder mapped them.
    pub(super) const fn is_builders(&self) -> bool {
        !self.windows.is_empty()
    }

    /// Returns the runs.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Records that no leaf pointer leads to the builder's addresses any more; returns the list's own mapping.
    pub(super) fn leave(&mut self) -> Option<OwnMapping> {
        self.windows.clear();
        self.own_mapping.take()
    }

    /// Replaces the builder's pages with others, and returns the builder's.
    pub(super) fn replace(&mut self, runs: Vec<Run>) -> Vec<Run> {
        mem::replace(&mut self.runs, runs)
    }
}

/// While the tree is being built, the list is the only P2M there is.
impl<X: Hypervisor> MappedLeaves<X> for ListPages {
    fn leaf<'l>(&'l self, _: &'l Window, _: &X, pfn: Pfn) -> Option<ShownPage<'l>> {
        let (window, page) = self.page_at(self.address(pfn.raw() / PER_LEAF))?;
        Some(window.shown_page(page))
    }
}
