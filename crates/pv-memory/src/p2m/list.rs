//! The builder's list: which page holds leaf n, and at which address.
//!
//! The list is the flat array pfn -> mfn, 512 words a page, so its page n is leaf n of the tree. Its pages are taken
//! as runs, which may lie anywhere; only this file knows how they follow each other, and where they are mapped until
//! the tree is moved.
//!
//! Neighbours: `build` makes leaves of the pages, `tree` follows leaf pointers to them, `revector` replaces them.

use alloc::vec::Vec;
use core::mem;

use super::index::{INVALID, PER_LEAF};
use super::reader::Leaves;
use crate::frames::{Run, part};
use crate::window::Window;
use xen::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use xen::{Hypervisor, Words};

/// The pages that leaves lie in; while they are the builder's, leaf n is page n of them.
#[derive(Debug)]
pub(super) struct ListPages {
    runs: Vec<Run>,
    /// Where the builder mapped its list, a page after the other.
    at: VirtRange,
    /// What shows the builder's pages there, while leaf pointers may lead there.
    window: Option<Window>,
}

impl ListPages {
    /// Takes over the builder's pages, which lie in this order at `start`, where `window` shows them.
    pub(super) fn new(runs: Vec<Run>, start: VirtAddr, window: Window) -> Self {
        let pages: u64 = runs.iter().map(|run| run.pages().pages()).sum();
        Self { runs, at: VirtRange::new(start, pages * PAGE_SIZE), window: Some(window) }
    }

    /// Returns where the builder mapped its list.
    pub(super) const fn range(&self) -> VirtRange {
        self.at
    }

    /// Returns the builder's address of leaf `number`.
    pub(super) const fn address(&self, number: u64) -> VirtAddr {
        VirtAddr::new_truncate(self.at.start.as_u64() + number * PAGE_SIZE)
    }

    /// Returns the page at an address of the builder's, and the mapping that shows it; `None` for any other address.
    pub(super) fn page_at(&self, at: VirtAddr) -> Option<(&Window, Pfn)> {
        let window = self.window.as_ref().filter(|_| self.at.contains(at))?;
        let number = (at.as_u64() - self.at.start.as_u64()) / PAGE_SIZE;
        self.part(number, 1).next().map(|(_, page)| (window, page.start))
    }

    /// Returns up to `pages` pages from page `first` on, each stretch of them with the run that it belongs to.
    pub(super) fn part(&self, first: u64, pages: u64) -> impl Iterator<Item = (&Run, PfnRange)> {
        part(&self.runs, first, pages)
    }

    /// Returns the runs.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Notes that no leaf pointer leads to the builder's addresses any more.
    pub(super) fn leave(&mut self) {
        self.window = None;
    }

    /// Puts other pages in the place of the builder's, and returns those.
    pub(super) fn replace(&mut self, runs: Vec<Run>) -> Vec<Run> {
        mem::replace(&mut self.runs, runs)
    }
}

/// While the tree is being built, the list is the only P2M there is.
impl Leaves for ListPages {
    fn leaf_words<X: Hypervisor>(&self, _: &Window, xen: &X, slot: Pfn) -> Words {
        let leaf = self.page_at(self.address(slot.raw() / PER_LEAF));
        leaf.map_or([INVALID; 512], |(window, page)| window.page(xen, page))
    }
}
