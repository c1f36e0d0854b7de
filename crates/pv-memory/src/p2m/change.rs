//! Changing the entry for a page.
//!
//! A leaf whose pages are all missing, or all identity, takes no memory: several such leaves share a page, which must
//! never be written, so a leaf is split off before a frame is entered. A leaf entry cannot say "identity": the toolstack
//! reads it too, and knows only frames and all ones. So identity pages are recorded as ranges beside the P2M, and leaves
//! of a tree that consist only of them lead to the shared identity page.
//!
//! No stage of the boot changes an entry: what the builder wrote is moved unchanged. This is for a domain that gives
//! memory back and gets it again (`balloon`), and for device memory.
//!
//! Neighbours: `physmap` looks up. Lineage: Linux `set_phys_to_machine`, `set_phys_range_identity`.

use super::index::{INVALID, Index, PER_LEAF};
use super::physmap::{Leaf, Lookup, Physmap, Slot};
use super::reader::MappedLeaves;
use crate::error::MmError;
use crate::frames::Zone;
use crate::ranges::by_slot;
use crate::resources::Resources;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{Pfn, PfnRange};

impl Physmap {
    /// Changes the entry for a page; keeps what the toolstack reads in step.
    ///
    /// # Errors
    /// [`MmError::NoFrame`] if the page is not one of the domain's; [`MmError`] if a new leaf is needed and there is no
    /// memory for it, or Xen refuses to map it. The entry is what it was then.
    pub fn set<X: Hypervisor>(
        &mut self,
        resources: &mut Resources<'_>,
        xen: &mut X,
        pfn: Pfn,
        slot: Slot,
    ) -> Result<(), MmError> {
        let word = match slot {
            Slot::Frame(mfn) => mfn.raw(),
            Slot::Missing | Slot::Identity => INVALID,
        };
        self.set_word(resources, xen, pfn, word)?;
        let page = PfnRange::new(pfn, 1);
        match slot {
            Slot::Identity => self.identity.insert(page),
            Slot::Frame(_) | Slot::Missing => self.identity.remove(page),
        }
        self.choose_shared(resources.tables.window(), xen, pfn)
    }

    /// Gives the leaves of pages a page each of their own, so that entering frames there needs no memory.
    ///
    /// # Errors
    /// [`MmError`] as for [`Physmap::set`]; leaves that were split by then stay so.
    pub fn reserve<X: Hypervisor>(
        &mut self,
        pages: PfnRange,
        resources: &mut Resources<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        if pages.end.raw() > self.nr_pages {
            return Err(MmError::NoFrame { pfn: pages.start.max(Pfn::new(self.nr_pages)) });
        }
        for part in by_slot(pages) {
            let leaf = part.start.raw() / PER_LEAF;
            let window = resources.tables.window();
            if self.is_shared(window, self.leaf_pfn(window, xen, leaf)) {
                self.split_leaf(resources, xen, leaf)?;
            }
        }
        Ok(())
    }

    fn set_word<X: Hypervisor>(
        &mut self,
        resources: &mut Resources<'_>,
        xen: &mut X,
        pfn: Pfn,
        word: u64,
    ) -> Result<(), MmError> {
        let (leaf, window) = (pfn.raw() / PER_LEAF, resources.tables.window());
        // Below 512: fits any usize.
        let index = (pfn.raw() % PER_LEAF) as usize;
        if self.leaf(window, xen, pfn).ok_or(MmError::NoFrame { pfn })?.word(xen, index) == word {
            return Ok(());
        }
        if self.is_shared(window, self.leaf_pfn(window, xen, leaf)) {
            self.split_leaf(resources, xen, leaf)?;
        }
        let window = resources.tables.window();
        let page = self.leaf_pfn(window, xen, leaf);
        let (run, offset) = self.owner(page).ok_or(MmError::NoFrame { pfn: page })?;
        self.list.writable(window, page).set_word(xen, run, offset, index, word);
        Ok(())
    }

    /// Gives a leaf a page of its own, full of missing entries.
    fn split_leaf<X: Hypervisor>(
        &mut self,
        resources: &mut Resources<'_>,
        xen: &mut X,
        leaf: u64,
    ) -> Result<(), MmError> {
        let window = resources.tables.window();
        let run = resources.frames.take(Zone::Mapped(window), 1)?;
        window.page_mut(xen, &run, 0).fill(INVALID);
        let hooked = self.hook_leaf(resources, xen, leaf, run.first());
        match hooked {
            Ok(()) => self.keep_split(leaf, run),
            Err(error) => resources.tables.release([run], error, resources.frames)?,
        }
        hooked
    }

    fn hook_leaf<X: Hypervisor>(
        &self,
        resources: &mut Resources<'_>,
        xen: &mut X,
        leaf: u64,
        page: Pfn,
    ) -> Result<(), MmError> {
        let frame = resources.tables.shown(xen, page)?.1.mfn();
        if let Lookup::Linear(linear) = &self.lookup {
            linear.show(leaf, frame, resources, xen)?;
        }
        self.point(
            resources.tables.window(),
            xen,
            leaf,
            Leaf { at: resources.tables.window().address(page), frame },
        );
        Ok(())
    }

    /// Points a leaf of a tree without frames of its own to the matching shared page.
    fn choose_shared<X: Hypervisor>(&self, window: &Window, xen: &mut X, pfn: Pfn) -> Result<(), MmError> {
        let (Some(tree), Some(index)) = (self.tree(), Index::of(pfn)) else { return Ok(()) };
        let now = tree.leaf(window, xen, index);
        if self.unshared(window, now).is_some() {
            return Ok(());
        }
        let pages = PfnRange::new(Pfn::new(index.number() * PER_LEAF), PER_LEAF);
        let missing = window.address(self.missing.first());
        let at = if self.identity.contains(pages) { tree.identity(window) } else { missing };
        if at != now {
            // The toolstack sees missing pages in either case.
            let frame = self.frame_list.as_ref().map(|list| list.entry(window, xen, index));
            let frame = frame.ok_or(MmError::NoFrame { pfn: self.missing.first() })?;
            self.point(window, xen, index.number(), Leaf { at, frame });
        }
        Ok(())
    }

    /// Points one leaf somewhere else, in tree and frame list.
    pub(super) fn point<X: Hypervisor>(&self, window: &Window, xen: &mut X, number: u64, leaf: Leaf) {
        if let Some(index) = Index::of_leaf(number) {
            self.enter(index.top as u64, &[(index.mid, leaf)], window, xen);
        }
    }
}
#[cfg(test)]
mod tests {
    use super::super::strategy::Strategy;
    use super::*;
    use crate::direct_map;
    use crate::frames::Frames;
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
            let mut p2m = P2m::build(&layout, Strategy::Copy, &mut tables, &mut frames, xen).unwrap();
            let resources = &mut Resources { tables: &mut tables, frames: &mut frames };
            let leaf = |p2m: &Physmap, resources: &Resources<'_>, xen: &_| {
                let window = resources.tables.window();
                let identity = window.pfn(p2m.tree().unwrap().identity(window));
                (p2m.leaf_pfn(window, xen, hole.start.raw() / PER_LEAF), identity)
            };
            assert_eq!(leaf(&p2m, resources, xen).0, p2m.missing.first());
            for pfn in hole.iter().take(512) {
                p2m.set(resources, xen, pfn, Slot::Identity).unwrap();
            }
            let (now, identity) = leaf(&p2m, resources, xen);
            assert_eq!(now, identity);
            p2m.set(resources, xen, hole.start, Slot::Missing).unwrap();
            assert_eq!(leaf(&p2m, resources, xen).0, p2m.missing.first());
            assert_eq!(p2m.get(resources.tables.window(), xen, hole.start), Slot::Missing);
            assert_eq!(p2m.get(resources.tables.window(), xen, hole.start.plus(1)), Slot::Identity);
        });
    }
}
