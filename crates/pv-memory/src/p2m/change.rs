//! Changing the tree's entry for a page.
//!
//! A leaf whose pages are all missing, or all identity, takes no memory: the leaf pointer leads to a page that all
//! such leaves share. A shared page must never be written, so a leaf is split off before a frame is entered. A leaf
//! entry cannot say "identity": the toolstack reads it too, and knows only frames and all ones. So identity pages are
//! recorded as ranges beside the tree, and leaves that consist only of them point to the shared identity page.
//!
//! No stage of the boot changes an entry: what the builder wrote is moved unchanged. This is for a domain that gives
//! memory back and takes it again, and for device memory; until then its callers are `tests/boot/p2m.rs` and the tests
//! of Linux's bugs (B2, C1, E7), which check that a published tree can be changed without the toolstack noticing.
//!
//! Neighbours: `tree` looks up. Lineage: Linux `set_phys_to_machine`, `set_phys_range_identity`.

use super::index::{INVALID, Index, PER_LEAF};
use super::plan::Plan;
use super::tree::{Leaf, Slot, Tree};
use crate::error::MmError;
use crate::frames::{Frames, Run, Zone};
use crate::tables::Tables;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{Pfn, PfnRange};

impl Tree {
    /// Changes the entry for a page; keeps the frame list in step.
    ///
    /// # Errors
    /// [`MmError::NoFrame`] if the page lies outside the tree; [`MmError::Frames`] if a new leaf is needed and there is
    /// no memory for it.
    pub fn set<X: Hypervisor>(
        &mut self,
        tables: &Tables,
        frames: &mut Frames,
        xen: &mut X,
        pfn: Pfn,
        slot: Slot,
    ) -> Result<(), MmError> {
        let index = Index::of(pfn).filter(|_| pfn.raw() < self.nr_pages).ok_or(MmError::NoFrame { pfn })?;
        let word = match slot {
            Slot::Frame(mfn) => mfn.raw(),
            Slot::Missing | Slot::Identity => INVALID,
        };
        self.set_word(tables, frames, xen, index, word)?;
        let page = PfnRange::new(pfn, 1);
        match slot {
            Slot::Identity => self.identity.insert(page),
            Slot::Frame(_) | Slot::Missing => self.identity.remove(page),
        }
        self.choose_shared(tables.window(), xen, index)
    }

    fn set_word<X: Hypervisor>(
        &mut self,
        tables: &Tables,
        frames: &mut Frames,
        xen: &mut X,
        index: Index,
        word: u64,
    ) -> Result<(), MmError> {
        let window = tables.window();
        let leaf = self.leaf_address(window, xen, index);
        let (through, page) = self.locate_leaf(window, leaf);
        if through.word(xen, page, index.leaf) == word {
            return Ok(());
        }
        if self.unshared(window, leaf).is_none() {
            let run = self.split_leaf(tables, frames, xen, index)?;
            self.split.push(run);
        }
        let at = self.leaf_address(window, xen, index);
        let (run, page) = self.owner(self.leaf_pfn(window, at)).ok_or(MmError::NotMapped { at })?;
        window.page_mut(xen, run, page)[index.leaf] = word;
        Ok(())
    }

    fn split_leaf<X: Hypervisor>(
        &self,
        tables: &Tables,
        frames: &mut Frames,
        xen: &mut X,
        index: Index,
    ) -> Result<Run, MmError> {
        let window = tables.window();
        let run = frames.take(Zone::Mapped(window), 1)?;
        window.page_mut(xen, &run, 0).fill(INVALID);
        let (_, entry) = tables.shown(xen, run.first())?;
        self.point(window, xen, index, Leaf { at: window.address(run.first()), frame: entry.mfn() })?;
        Ok(run)
    }

    /// Points a leaf without frames of its own to the matching shared page.
    fn choose_shared<X: Hypervisor>(
        &self,
        window: &Window,
        xen: &mut X,
        index: Index,
    ) -> Result<(), MmError> {
        let now = self.leaf_address(window, xen, index);
        if self.unshared(window, now).is_some() {
            return Ok(());
        }
        let pages = PfnRange::new(Pfn::new(index.number() * PER_LEAF), PER_LEAF);
        let page = if self.identity.contains(pages) { Plan::IDENTITY } else { Plan::MISSING };
        // The toolstack sees missing pages in either case.
        let leaf = Leaf { at: self.shared(window, page), frame: self.frame_list_entry(window, xen, index) };
        if leaf.at == now { Ok(()) } else { self.point(window, xen, index, leaf) }
    }

    /// Points one leaf somewhere else.
    fn point<X: Hypervisor>(
        &self,
        window: &Window,
        xen: &mut X,
        index: Index,
        leaf: Leaf,
    ) -> Result<(), MmError> {
        let wanted = index.number();
        self.repoint(
            index.top as u64,
            window,
            xen,
            &mut |_, number, _| Ok((number == wanted).then_some(leaf)),
        )
    }

    /// The run that holds a leaf, and the index of its page there.
    fn owner(&self, leaf: Pfn) -> Option<(&Run, u64)> {
        let mut runs = self.list.runs().iter().chain(&self.split);
        runs.find(|run| run.pages().contains(leaf)).map(|run| (run, leaf.above(run.first())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direct_map;
    use crate::layout::Layout;
    use crate::p2m::P2m;
    use crate::walk::BootTables;
    use std::vec;
    use xen::start_info::BootInfo;
    use xen_model::Domain;

    #[test]
    fn a_leaf_of_identity_pages_points_to_the_shared_one_until_a_page_of_it_is_not() {
        let hole = PfnRange::new(Pfn::new(0x2000), 1024);
        let mut built = Domain { holes: vec![hole], ..Domain::guest(64) }.build().unwrap();
        let (start_info, facts) = (built.start_info, built.facts);
        built.xen.run(|xen| {
            let info = BootInfo::parse(&start_info, facts, xen).unwrap();
            let layout = Layout::plan(&info).unwrap();
            let walked = BootTables::walk(&layout, &facts, xen, |_| ()).unwrap();
            let mut frames = Frames::new(layout.free());
            let mut tables = direct_map::build(walked, &layout, &facts, &mut frames, xen).unwrap();
            let mut p2m = P2m::build(&layout, &mut tables, &mut frames, xen).unwrap();
            let (window, index) = (tables.window(), Index::of(hole.start).unwrap());
            assert_eq!(p2m.leaf_address(window, xen, index), p2m.shared(window, Plan::MISSING));
            for pfn in hole.iter().take(512) {
                p2m.set(&tables, &mut frames, xen, pfn, Slot::Identity).unwrap();
            }
            assert_eq!(p2m.leaf_address(window, xen, index), p2m.shared(window, Plan::IDENTITY));
            p2m.set(&tables, &mut frames, xen, hole.start, Slot::Missing).unwrap();
            assert_eq!(p2m.leaf_address(window, xen, index), p2m.shared(window, Plan::MISSING));
            assert_eq!(p2m.get(window, xen, hole.start), Slot::Missing);
            assert_eq!(p2m.get(window, xen, hole.start.plus(1)), Slot::Identity);
        });
    }
}
