//! Stage 5 of 9: builds the tree over the builder's list, and publishes its frame list to the toolstack.
//!
//! Nothing is copied: a leaf is a page of the list, where it lies. The list's last page may be used only in part; the
//! rest of it is filled with ones, because otherwise a lookup after the last page would find whatever memory held. A
//! leaf without any frame points to the one shared page of missing entries.
//!
//! Takes [`Tables`] from `direct_map`, gives [`P2m<Initial>`] to `revector`. Lineage: Linux
//! `xen_build_dynamic_phys_to_machine`, `xen_build_mfn_list_list`.

use alloc::vec::Vec;

use super::index::{self, INVALID, PER_LEAF};
use super::list::ListPages;
use super::plan::Plan;
use super::reader::{FrameReader, MappedLeaves};
use super::tree::{Initial, P2m, Tree};
use crate::builder_list::BuilderList;
use crate::direct_map::by_slot;
use crate::error::MmError;
use crate::frames::{Frames, Zone};
use crate::layout::Layout;
use crate::ranges::Ranges;
use crate::tables::Tables;
use crate::window::Window;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange};
use xen::{Hypervisor, Words};

impl P2m<Initial> {
    /// Builds the tree and its frame list over the builder's list, and publishes the frame list.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out.
    #[inline(never)]
    pub fn build<X: Hypervisor>(
        layout: &Layout,
        tables: &mut Tables,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Self, MmError> {
        let list = BuilderList::find(layout, tables, frames, xen)?;
        let window = tables.window();
        let plan = Plan { mids: index::mids(layout.nr_pages) };
        let tree = Tree {
            nr_pages: layout.nr_pages,
            plan,
            pages: frames.take(Zone::Mapped(window), plan.pages())?,
            list: ListPages::adopt(list, frames)?,
            split: Vec::new(),
            identity: Ranges::new(),
        };
        tree.fill_list_tail(window, xen);
        tree.fill_shared_pages(window, xen);
        let reader = &mut FrameReader::new(&tree.list, window);
        tree.fill_mids(window, reader, xen)?;
        tree.fill_tops(window, reader, xen)?;
        let top = reader.frame(xen, tree.pages.first().plus(Plan::TOP_MFN))?;
        xen.publish_p2m(top, tree.nr_pages);
        Ok(Self::new(tree))
    }
}

impl Tree {
    fn fill_list_tail<X: Hypervisor>(&self, window: &Window, xen: &mut X) {
        // Below 512: fits any usize.
        let used = (self.nr_pages % PER_LEAF) as usize;
        if used != 0 {
            for (run, last) in self.list.part(index::leaves(self.nr_pages) - 1, 1) {
                let window = self.list.writable(window, last.start);
                let tail = &mut window.page_mut(xen, run, last.start.above(run.first()))[used..];
                list_tail(tail);
                tail.fill(INVALID);
            }
        }
    }

    fn fill_shared_pages<X: Hypervisor>(&self, window: &Window, xen: &mut X) {
        for page in [Plan::MISSING, Plan::IDENTITY] {
            window.page_mut(xen, &self.pages, page).fill(INVALID);
        }
        let missing = self.shared(window, Plan::MISSING).as_u64();
        window.page_mut(xen, &self.pages, Plan::MID_MISSING).fill(missing);
    }

    fn fill_mids<X: Hypervisor>(
        &self,
        window: &Window,
        reader: &mut FrameReader<'_, X>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let missing = self.shared(window, Plan::MISSING);
        let missing_mfn = reader.frame(xen, self.pages.first().plus(Plan::MISSING))?;
        window.page_mut(xen, &self.pages, Plan::MID_MISSING_MFN).fill(missing_mfn.raw());
        let mut mid = Mid { pointers: [0; 512], frames: [0; 512] };
        for top in 0..self.plan.mids {
            mid.pointers.fill(missing.as_u64());
            mid.frames.fill(missing_mfn.raw());
            self.find_leaves(top, &mut mid, window, xen)?;
            *window.page_mut(xen, &self.pages, Plan::mid(top)) = mid.pointers;
            *window.page_mut(xen, &self.pages, self.plan.mid_mfn(top)) = mid.frames;
        }
        Ok(())
    }

    /// Finds the leaves of one mid page that have a frame at all.
    fn find_leaves<X: Hypervisor>(
        &self,
        top: u64,
        mid: &mut Mid,
        window: &Window,
        xen: &X,
    ) -> Result<(), MmError> {
        let mut number = top * ENTRIES;
        for pages in self.list.part(top * ENTRIES, ENTRIES).flat_map(|(_, pages)| by_slot(pages)) {
            self.find_in_slot(number, pages, mid, window, xen)?;
            number += pages.pages();
        }
        Ok(())
    }

    /// Finds leaves whose pages follow each other within 2 MiB, so that one leaf has all their frames; `number` is the
    /// first one's.
    fn find_in_slot<X: Hypervisor>(
        &self,
        number: u64,
        pages: PfnRange,
        mid: &mut Mid,
        window: &Window,
        xen: &X,
    ) -> Result<(), MmError> {
        let no_frame = |pfn| MmError::NoFrame { pfn };
        let slot = pages.start.slot_start();
        let frames = self.list.leaf(window, xen, slot).ok_or_else(|| no_frame(pages.start))?;
        let list = self.list.readable(window, pages.start);
        // Each below 512: fits any usize.
        let (first, place) = (pages.start.above(slot) as usize, (number % ENTRIES) as usize);
        let places = mid.pointers[place..].iter_mut().zip(&mut mid.frames[place..]);
        let addresses = (self.list.address(number).as_u64()..).step_by(PAGE_SIZE as usize);
        let found = pages.iter().zip(list.first_words(xen, pages)).zip(addresses);
        for (index, ((pointer, frame), ((page, word), at))) in (first..).zip(places.zip(found)) {
            if word != INVALID || !is_hole(list, xen, page) {
                *pointer = at;
                *frame = Mfn::from_p2m(frames.word(xen, index)).ok_or_else(|| no_frame(page))?.raw();
            }
        }
        Ok(())
    }

    fn fill_tops<X: Hypervisor>(
        &self,
        window: &Window,
        reader: &mut FrameReader<'_, X>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let first = self.pages.first();
        let hole = self.shared(window, Plan::MID_MISSING).as_u64();
        let hole_mfn = reader.frame(xen, first.plus(Plan::MID_MISSING_MFN))?.raw();
        window.page_mut(xen, &self.pages, Plan::TOP).fill(hole);
        window.page_mut(xen, &self.pages, Plan::TOP_MFN).fill(hole_mfn);
        for (entry, top) in (0..self.plan.mids).enumerate() {
            let mid = self.shared(window, Plan::mid(top)).as_u64();
            let mid_mfn = reader.frame(xen, first.plus(self.plan.mid_mfn(top)))?.raw();
            window.page_mut(xen, &self.pages, Plan::TOP)[entry] = mid;
            window.page_mut(xen, &self.pages, Plan::TOP_MFN)[entry] = mid_mfn;
        }
        Ok(())
    }
}

/// A mid page and its frame list's, before they are stored: both are filled in one pass over the leaves.
struct Mid {
    pointers: Words,
    frames: Words,
}

/// Returns whether a leaf has no frame at all.
fn is_hole<X: Hypervisor>(window: &Window, xen: &X, leaf: Pfn) -> bool {
    window.shown_page(leaf).iter(xen).all(|word| word == INVALID)
}

/// What the builder left in the last page of its list, after the last entry; it may be anything.
fn list_tail(tail: &[u64]) {
    let all = |word: u64| tail.iter().all(|found| *found == word);
    let what = if all(0) {
        "zero"
    } else if all(u64::MAX) {
        "ones"
    } else {
        "something else"
    };
    log::debug!(target: "p2m", "the list's last page ends with {} words that are no entries: {what}", tail.len());
}
