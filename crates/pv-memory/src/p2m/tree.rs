//! The tree of pointers: pfn -> leaf, in two levels of pages of addresses.
//!
//! Holes cost nothing, because they share one leaf, and each leaf can be moved on its own. A leaf whose pages are all
//! missing leads to the page of missing entries, one whose pages are all identity to a second such page; neither is ever
//! written. Neighbours: `build` fills it, `revector` re-points its leaves, `physmap` looks up. Lineage: Linux
//! `xen_build_dynamic_phys_to_machine`.

use super::index::{INVALID, Index};
use super::list::ListPages;
use super::mids::Mids;
use crate::error::MmError;
use crate::frames::{Frames, Run, Zone};
use crate::resources::Resources;
use crate::window::{ShownPage, Window};
use xen::Hypervisor;
use xen::addr::{ENTRIES, PAGE_SIZE, VirtAddr};

/// The domain's own way to its leaves.
#[derive(Debug)]
pub(super) struct Tree {
    /// The top page, the leaf of identity pages, and the mid page that leads to missing leaves only.
    top: Run,
    mids: Mids,
}

impl Tree {
    const TOP: u64 = 0;
    const IDENTITY: u64 = 1;
    const MID_MISSING: u64 = 2;

    /// Makes a tree whose leaf n is page n of the list, at the builder's address.
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
        let top = frames.take(Zone::Mapped(window), 3)?;
        let built = Self { top, mids: Mids::take(mids, window, frames)? };
        let missing = window.address(missing.first()).as_u64();
        window.page_mut(xen, &built.top, Self::IDENTITY).fill(INVALID);
        window.page_mut(xen, &built.top, Self::MID_MISSING).fill(missing);
        for top in 0..mids {
            let first = top * ENTRIES;
            // At most 512: fits any usize.
            let leaves = list.part(first, ENTRIES).map(|(_, pages)| pages.pages() as usize).sum();
            let (mut at, mid) = (list.address(first).as_u64(), built.mid_mut(top, window, xen));
            mid[leaves..].fill(missing);
            for pointer in &mut mid[..leaves] {
                *pointer = at;
                at += PAGE_SIZE;
            }
        }
        let mid_missing = window.address(built.top.first().plus(Self::MID_MISSING));
        window.page_mut(xen, &built.top, Self::TOP).fill(mid_missing.as_u64());
        for (entry, mid) in built.mids.pages().enumerate() {
            window.page_mut(xen, &built.top, Self::TOP)[entry] = window.address(mid).as_u64();
        }
        Ok(built)
    }

    /// Makes sure that there are `mids` mid pages; new ones lead to missing leaves.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out; nothing is changed then.
    pub(super) fn extend<X: Hypervisor>(
        &mut self,
        mids: u64,
        missing: &Run,
        resources: &mut Resources<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let (now, window) = (self.mids.count(), resources.tables.window());
        let Some(run) = self.mids.take_missing(mids, window, resources.frames)? else { return Ok(()) };
        // Below 512: fits any usize.
        for (entry, mid) in (now as usize..).zip(run.pages().iter()) {
            let hole = window.address(missing.first()).as_u64();
            window.page_mut(xen, &run, mid.above(run.first())).fill(hole);
            window.page_mut(xen, &self.top, Self::TOP)[entry] = window.address(mid).as_u64();
        }
        self.mids.add(run);
        Ok(())
    }

    /// Returns the leaf pointer for `index`.
    pub(super) fn leaf<X: Hypervisor>(&self, window: &Window, xen: &X, index: Index) -> VirtAddr {
        let mid = window.word(xen, self.top.first().plus(Self::TOP), index.top);
        let leaf = window.word(xen, window.pfn(VirtAddr::new_truncate(mid)), index.mid);
        VirtAddr::new_truncate(leaf)
    }

    /// Returns a mid page.
    pub(super) fn mid<'w>(&self, window: &'w Window, top: u64) -> ShownPage<'w> {
        self.mids.page(window, top)
    }

    /// Borrows a mid page.
    pub(super) fn mid_mut<'x, X: Hypervisor>(
        &self,
        top: u64,
        window: &Window,
        xen: &'x mut X,
    ) -> &'x mut xen::Words {
        self.mids.page_mut(window, xen, top)
    }

    /// Returns the address of the leaf of identity pages.
    pub(super) const fn identity(&self, window: &Window) -> VirtAddr {
        window.address(self.top.first().plus(Self::IDENTITY))
    }

    /// Returns the number of pages that it takes.
    pub(super) fn own_pages(&self) -> u64 {
        self.top.pages().pages() + self.mids.count()
    }
}
