//! The frame list: where the leaves are, by machine frame, for the toolstack.
//!
//! Tools cannot follow a tree of the domain's addresses, so they walk machine frames from
//! `pfn_to_mfn_frame_list_list`: a top page, mid pages, leaves (the log calls this the machine-frame tree). They require
//! a frame of the domain for each entry, so holes lead to a page of missing entries that they share.
//!
//! The P2M has an entry for each page of the domain, and the pages of the list are such pages. So a mid page over the
//! builder's list is nothing but a part of that list, and is copied from it. Neighbours: `build` makes it; `physmap`
//! changes it in one step with the pointers. Lineage: Linux `xen_build_mfn_list_list`.

use alloc::vec::Vec;

use super::index::Index;
use super::list::ListPages;
use super::mids::Mids;
use super::reader::{FrameReader, MappedLeaves};
use crate::error::MmError;
use crate::frames::{Frames, Run, Zone, give_back};
use crate::ranges::by_slot;
use crate::resources::Resources;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{ENTRIES, Mfn, Pfn};

/// The toolstack's tree.
#[derive(Debug)]
pub(super) struct FrameList {
    /// The top page, and the mid page that leads to missing leaves only.
    top: Run,
    mids: Mids,
}

impl FrameList {
    const TOP: u64 = 0;
    const MID_MISSING: u64 = 1;

    /// Makes a frame list over the builder's list; `missing` is the page that holes lead to.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out.
    pub(super) fn build<X: Hypervisor>(
        list: &ListPages,
        mids: u64,
        missing: &Run,
        window: &Window,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Self, MmError> {
        let top = frames.take(Zone::Mapped(window), 2)?;
        let built = Self { top, mids: Mids::take(mids, window, frames)? };
        let mut reader = FrameReader::new(list, window);
        let missing = reader.frame(xen, missing.first())?;
        for top in 0..mids {
            built.fill_mid(top, list, missing, window, xen)?;
        }
        window.page_mut(xen, &built.top, Self::MID_MISSING).fill(missing.raw());
        let mid_missing = reader.frame(xen, built.top.first().plus(Self::MID_MISSING))?;
        let mut top = [mid_missing.raw(); 512];
        for (entry, mid) in top.iter_mut().zip(built.mids.pages()) {
            *entry = reader.frame(xen, mid)?.raw();
        }
        *window.page_mut(xen, &built.top, Self::TOP) = top;
        Ok(built)
    }

    /// Makes sure that there are `mids` mid pages; new ones lead to missing leaves.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out; nothing is changed then.
    pub(super) fn extend<X: Hypervisor>(
        &mut self,
        mids: u64,
        missing: Mfn,
        resources: &mut Resources<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let (now, window) = (self.mids.count(), resources.tables.window());
        let Some(run) = self.mids.take_missing(mids, window, resources.frames)? else { return Ok(()) };
        let frame = |mid| Ok(resources.tables.shown(xen, mid)?.1.mfn());
        let frames = match run.pages().iter().map(frame).collect::<Result<Vec<_>, MmError>>() {
            Ok(frames) => frames,
            Err(error) => {
                resources.frames.give_back(run)?;
                return Err(error);
            }
        };
        // Below 512: fits any usize.
        for (index, (entry, frame)) in (0..).zip((now as usize..).zip(frames)) {
            window.page_mut(xen, &run, index).fill(missing.raw());
            window.set_word(xen, &self.top, Self::TOP, entry, frame.raw());
        }
        self.mids.add(run);
        Ok(())
    }

    /// Gives its pages back; nobody may find them any more.
    ///
    /// # Errors
    /// [`MmError`] if one of them is free.
    pub(super) fn give_back(self, frames: &mut Frames) -> Result<(), MmError> {
        Ok(give_back(self.mids.into_runs().into_iter().chain([self.top]), frames)?)
    }

    /// Copies the list's own entries for 512 of its pages. Each has a frame, because its mapping was walked.
    fn fill_mid<X: Hypervisor>(
        &self,
        top: u64,
        list: &ListPages,
        missing: Mfn,
        window: &Window,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let (run, mid) = self.mids.place(top);
        let mut filled = 0;
        for pages in list.part(top * ENTRIES, ENTRIES).flat_map(|(_, pages)| by_slot(pages)) {
            let slot = pages.start.slot_start();
            let leaf = list.leaf(window, xen, slot).ok_or(MmError::NoFrame { pfn: pages.start })?;
            // Each at most 512: fits any usize.
            let (from, words) = (pages.start.above(slot) as usize, pages.pages() as usize);
            window.copy_words(xen, leaf, from..from + words, run, mid, filled);
            filled += words;
        }
        window.page_mut(xen, run, mid)[filled..].fill(missing.raw());
        Ok(())
    }

    /// Returns the top page.
    pub(super) const fn top(&self) -> Pfn {
        self.top.first().plus(Self::TOP)
    }

    /// Returns the frame of the leaf at `index`.
    pub(super) fn entry<X: Hypervisor>(&self, window: &Window, xen: &X, index: Index) -> Mfn {
        Mfn::new(self.mids.page(window, index.top as u64).word(xen, index.mid))
    }

    /// Enters the frame of a leaf in one mid page.
    pub(super) fn set<X: Hypervisor>(&self, top: u64, slot: usize, frame: Mfn, window: &Window, xen: &mut X) {
        let (run, mid) = self.mids.place(top);
        window.set_word(xen, run, mid, slot, frame.raw());
    }

    /// Returns the number of pages that it takes.
    pub(super) fn own_pages(&self) -> u64 {
        self.top.pages().pages() + self.mids.count()
    }
}
