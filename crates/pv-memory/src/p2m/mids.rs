//! The mid pages of a three-level tree, by number: one for each GiB of RAM.
//!
//! The domain's own tree and the toolstack's frame list have the same shape and grow alike; what is in a mid page is their
//! own business. Neighbours: `tree` and `frame_list` each have such pages.

use alloc::vec;
use alloc::vec::Vec;

use crate::frames::{FrameError, Frames, Run, Zone, part};
use crate::window::{ShownPage, Window};
use xen::addr::Pfn;
use xen::{Hypervisor, Words};

/// Mid pages: taken at once, and more when the P2M grows.
#[derive(Debug)]
pub(super) struct Mids {
    runs: Vec<Run>,
}

impl Mids {
    /// Takes `count` pages that the window shows.
    ///
    /// # Errors
    /// [`FrameError::Exhausted`] if there are not so many in one piece.
    pub(super) fn take(count: u64, window: &Window, frames: &mut Frames) -> Result<Self, FrameError> {
        Ok(Self { runs: vec![frames.take(Zone::Mapped(window), count)?] })
    }

    /// Takes what is missing to `count` pages, to be filled and added; `None` if nothing is.
    ///
    /// # Errors
    /// As for [`Mids::take`].
    pub(super) fn take_missing(
        &self,
        count: u64,
        window: &Window,
        frames: &mut Frames,
    ) -> Result<Option<Run>, FrameError> {
        let missing = count.saturating_sub(self.count());
        (missing > 0).then(|| frames.take(Zone::Mapped(window), missing)).transpose()
    }

    /// Adds pages after the last one.
    pub(super) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.pages().pages()).sum()
    }

    /// Iterates over the pages, by number.
    pub(super) fn pages(&self) -> impl Iterator<Item = Pfn> {
        self.runs.iter().flat_map(|run| run.pages().iter())
    }

    /// Returns a page, to be read.
    pub(super) fn page<'w>(&self, window: &'w Window, number: u64) -> ShownPage<'w> {
        let (run, index) = self.place(number);
        window.shown_page(run.first().plus(index))
    }

    /// Borrows a page, to be written.
    pub(super) fn page_mut<'x, X: Hypervisor>(
        &self,
        window: &Window,
        xen: &'x mut X,
        number: u64,
    ) -> &'x mut Words {
        let (run, index) = self.place(number);
        window.page_mut(xen, run, index)
    }

    /// Returns the run that a page lies in, and its index there.
    ///
    /// # Panics
    /// If there are not so many: `physmap` has checked that the domain has such pages.
    pub(super) fn place(&self, number: u64) -> (&Run, u64) {
        let found = part(&self.runs, number, 1).next();
        let found = found.map(|(run, page)| (run, page.start.above(run.first())));
        found.unwrap_or_else(|| panic!("mid page {number} of {}: a page after the last one", self.count()))
    }

    /// Returns the runs, to be given back.
    pub(super) fn into_runs(self) -> Vec<Run> {
        self.runs
    }
}
