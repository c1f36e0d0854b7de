//! Stage 5 of 9: builds the P2M over the builder's list, and publishes its frame list to the toolstack.
//!
//! Nothing is copied: a leaf is a page of the list, where it lies. The list's last page may be used only in part; the
//! rest of it is filled with ones, because otherwise a lookup after the last page would find whatever memory held. In a
//! tree, a leaf without any frame becomes the one shared page of missing entries; without a tree, such leaves stay pages
//! of the builder's.
//!
//! Takes [`Tables`] from `direct_map`, gives [`P2m<Initial>`] to `revector`. Lineage: Linux
//! `xen_build_dynamic_phys_to_machine`, `xen_build_mfn_list_list`.

use alloc::vec::Vec;

use super::frame_list::FrameList;
use super::index::{self, INVALID, PER_LEAF, TREE_PAGES};
use super::linear::Linear;
use super::list::ListPages;
use super::physmap::{Leaf, Lookup, Physmap};
use super::reader::FrameReader;
use super::state::{Initial, P2m};
use super::strategy::{Form, Strategy};
use super::tree::Tree;
use crate::builder_list::BuilderList;
use crate::error::MmError;
use crate::frames::{Frames, Zone};
use crate::layout::Layout;
use crate::ranges::Ranges;
use crate::tables::Tables;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{ENTRIES, Pfn};

impl P2m<Initial> {
    /// Builds what `strategy` needs over the builder's list, and publishes its frame list.
    ///
    /// # Errors
    /// [`MmError::TooManyPages`] if the strategy needs a tree and the domain is too large for one; [`MmError`] if memory
    /// runs out or the list's mapping is not what start_info says.
    #[inline(never)]
    pub fn build<X: Hypervisor>(
        layout: &Layout,
        strategy: Strategy,
        tables: &mut Tables,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Self, MmError> {
        let nr_pages = layout.nr_pages;
        let fits = nr_pages <= TREE_PAGES;
        if strategy.form() == Form::Tree && !fits {
            return Err(MmError::TooManyPages { pages: nr_pages, most: TREE_PAGES });
        }
        let builders = BuilderList::find(layout, tables, frames, xen)?;
        let list = ListPages::adopt(builders, frames)?;
        let window = tables.window();
        let missing = frames.take(Zone::Mapped(window), 1)?;
        window.page_mut(xen, &missing, 0).fill(INVALID);
        let mids = index::mids(nr_pages);
        let lookup = match strategy.form() {
            Form::Tree => Lookup::Tree(Tree::build(&list, mids, &missing, window, frames, xen)?),
            Form::List => Lookup::Linear(Linear::of_builder(&list)),
        };
        let frame_list =
            if fits { Some(FrameList::build(&list, mids, &missing, window, frames, xen)?) } else { None };
        let (split, identity) = (Vec::new(), Ranges::new());
        let physmap = Physmap { strategy, nr_pages, lookup, frame_list, missing, list, split, identity };
        physmap.fill_list_tail(window, xen);
        physmap.share_holes(window, xen)?;
        physmap.publish(tables, xen)?;
        Ok(Self::new(physmap))
    }
}

impl Physmap {
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

    /// Leads tree and frame list to the shared leaf where a leaf has no frame at all. No leaf is looked at if the domain
    /// has as many pages as the list has entries, as builders leave it: then none is missing.
    fn share_holes<X: Hypervisor>(&self, window: &Window, xen: &mut X) -> Result<(), MmError> {
        if self.tree().is_none() || xen.owned_pages() == Some(self.nr_pages) {
            return Ok(());
        }
        let frame = FrameReader::new(&self.list, window).frame(xen, self.missing.first())?;
        let missing = Leaf { at: window.address(self.missing.first()), frame };
        for top in 0..index::mids(self.nr_pages) {
            let holes = self.holes(top, window, xen);
            if !holes.is_empty() {
                let leaves: Vec<_> = holes.into_iter().map(|slot| (slot, missing)).collect();
                self.enter(top, &leaves, window, xen);
            }
        }
        Ok(())
    }

    /// The places in one mid page of leaves without any frame. For nearly all leaves the first word decides.
    fn holes<X: Hypervisor>(&self, top: u64, window: &Window, xen: &X) -> Vec<usize> {
        let (mut holes, mut slot) = (Vec::new(), 0);
        for (_, pages) in self.list.part(top * ENTRIES, ENTRIES) {
            let list = self.list.readable(window, pages.start);
            for (page, first) in (pages.start.raw()..).zip(list.first_words(xen, pages)) {
                if first == INVALID && is_hole(list, xen, Pfn::new(page)) {
                    holes.push(slot);
                }
                slot += 1;
            }
        }
        holes
    }
}

/// Tells whether a leaf has no frame at all.
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
