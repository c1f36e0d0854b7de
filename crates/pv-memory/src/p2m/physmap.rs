//! Looking a page up, and what the P2M consists of: the pages that hold its entries, the way to them, and what the
//! toolstack reads.
//!
//! [`Physmap`] is the P2M without the mark of [`P2m`](super::P2m): reading and changing entries does not depend on where
//! leaves are, and is compiled only once.
//!
//! Neighbours: `build` makes it, `revector` moves it, `change` changes entries.

use alloc::vec::Vec;

use super::frame_list::FrameList;
use super::index::{self, INVALID, Index, PER_LEAF};
use super::linear::Linear;
use super::list::ListPages;
use super::reader::{Leaves, MappedLeaves};
use super::strategy::Strategy;
use super::tree::Tree;
use crate::builder_list::OwnMapping;
use crate::error::MmError;
use crate::frames::Run;
use crate::ranges::Ranges;
use crate::window::{ShownPage, Window};
use xen::addr::{ENTRIES, Mfn, Pfn, PfnRange, VirtAddr};
use xen::{Hypervisor, Words};

/// What the P2M says about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The page is backed by this machine frame.
    Frame(Mfn),
    /// Nothing is there: a hole, or ballooned out.
    Missing,
    /// The page is not RAM, and its machine frame has the same number (MMIO).
    Identity,
}

/// Where a leaf is, for the tree and for the frame list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    /// Its address, for the tree.
    pub(super) at: VirtAddr,
    /// Its machine frame, for the frame list.
    pub(super) frame: Mfn,
}

/// Decides where a leaf shall be, for [`Physmap::repoint`].
pub(super) type Target<'f, X> = dyn FnMut(&X, Option<Pfn>) -> Result<Option<Leaf>, MmError> + 'f;

/// How a leaf is found.
#[derive(Debug)]
pub(super) enum Lookup {
    /// By pointers.
    Tree(Tree),
    /// By arithmetic: leaves follow each other in address space.
    Linear(Linear),
}

/// Leaves of this kernel's own, in place of shared ones: as many in a row as have neighbouring pages, because a domain
/// that grows by gigabytes gets thousands.
#[derive(Debug)]
pub(super) struct Split {
    /// The number of the first.
    pub(super) leaf: u64,
    /// Their pages.
    pub(super) run: Run,
}

impl Split {
    /// Returns the page of leaf `number`, if it is one of these.
    fn page(&self, number: u64) -> Option<Pfn> {
        let offset = number.checked_sub(self.leaf).filter(|offset| *offset < self.run.pages().pages());
        offset.map(|offset| self.run.first().plus(offset))
    }
}

/// The P2M: pfn -> mfn for each page of the domain.
#[derive(Debug)]
pub struct Physmap {
    pub(super) strategy: Strategy,
    pub(super) nr_pages: u64,
    pub(super) lookup: Lookup,
    /// What tools read that do not know the list; it ends at 512 GiB.
    pub(super) frame_list: Option<FrameList>,
    /// The leaf of missing pages, which holes share.
    pub(super) missing: Run,
    /// The pages that leaves lie in, besides split ones.
    pub(super) list: ListPages,
    /// Leaves made by splitting the shared one.
    pub(super) split: Vec<Split>,
    /// Pages that are not RAM. A leaf cannot say so: the toolstack reads it too, and knows frames and all ones only.
    pub(super) identity: Ranges,
}

impl Physmap {
    /// Returns the number of entries, the domain's pages.
    #[must_use]
    pub const fn nr_pages(&self) -> u64 {
        self.nr_pages
    }

    /// Returns the number of leaves that were given a page of their own since the boot.
    #[must_use]
    pub fn own_leaves(&self) -> u64 {
        self.split.iter().map(|split| split.run.pages().pages()).sum()
    }

    /// Keeps the page of a leaf that was split off.
    pub(super) fn keep_split(&mut self, leaf: u64, run: Run) {
        match self.split.last_mut() {
            Some(last)
                if last.leaf + last.run.pages().pages() == leaf && last.run.pages().end == run.first() =>
            {
                last.run.join(run);
            }
            _ => self.split.push(Split { leaf, run }),
        }
    }

    /// Returns how the P2M is, or was, moved.
    #[must_use]
    pub const fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Looks a page up.
    pub fn get<X: Hypervisor>(&self, window: &Window, xen: &X, pfn: Pfn) -> Slot {
        let Some(leaf) = self.leaf(window, xen, pfn) else { return Slot::Missing };
        // Below 512: fits any usize.
        match leaf.word(xen, (pfn.raw() % PER_LEAF) as usize) {
            INVALID if self.identity.has(pfn) => Slot::Identity,
            INVALID => Slot::Missing,
            mfn => Slot::Frame(Mfn::new(mfn)),
        }
    }

    /// Looks up the machine frame of a page of RAM.
    pub fn frame<X: Hypervisor>(&self, window: &Window, xen: &X, pfn: Pfn) -> Option<Mfn> {
        match self.get(window, xen, pfn) {
            Slot::Frame(mfn) => Some(mfn),
            Slot::Missing | Slot::Identity => None,
        }
    }

    /// Returns the tree; `None` if leaves are found by arithmetic.
    pub(super) const fn tree(&self) -> Option<&Tree> {
        match &self.lookup {
            Lookup::Tree(tree) => Some(tree),
            Lookup::Linear(_) => None,
        }
    }

    /// Returns the page of leaf `number`.
    pub(super) fn leaf_pfn<X: Hypervisor>(&self, window: &Window, xen: &X, number: u64) -> Pfn {
        match (&self.lookup, Index::of_leaf(number)) {
            (Lookup::Tree(tree), Some(index)) => self.page_at(window, tree.leaf(window, xen, index)),
            _ => self.linear_pfn(number),
        }
    }

    /// Without a tree, a leaf is one split off, the list's, or the shared one.
    pub(super) fn linear_pfn(&self, number: u64) -> Pfn {
        let split = self.split.iter().find_map(|split| split.page(number));
        let listed = || self.list.part(number, 1).next().map(|(_, pages)| pages.start);
        split.or_else(listed).unwrap_or_else(|| self.missing.first())
    }

    /// Tells whether a page is one that several leaves share: it must not be written.
    pub(super) fn is_shared(&self, window: &Window, page: Pfn) -> bool {
        let identity = self.tree().map(|tree| window.pfn(tree.identity(window)));
        page == self.missing.first() || Some(page) == identity
    }

    /// Returns the run that holds an unshared leaf, and the index of its page there.
    pub(super) fn owner(&self, leaf: Pfn) -> Option<(&Run, u64)> {
        let mut runs = self.list.runs().iter().chain(self.split.iter().map(|split| &split.run));
        runs.find(|run| run.pages().contains(leaf)).map(|run| (run, leaf.above(run.first())))
    }

    /// Re-points leaves of one mid page of a tree.
    ///
    /// `target` is called once for each leaf, in order of pfn, with its current page (`None`: a shared leaf), and returns
    /// where it shall be, or `None` to leave it.
    pub(super) fn repoint<X: Hypervisor>(
        &self,
        top: u64,
        window: &Window,
        xen: &mut X,
        target: &mut Target<'_, X>,
    ) -> Result<(), MmError> {
        let Some(tree) = self.tree() else { return Ok(()) };
        let mut moved = Vec::new();
        let pointers = tree.mid(window, top).words(xen);
        let leaves = index::leaves(self.nr_pages) - top * ENTRIES;
        for (slot, pointer) in (0..leaves).zip(&pointers) {
            let now = self.unshared(window, VirtAddr::new_truncate(*pointer));
            if let Some(leaf) = target(xen, now)? {
                // Below 512: fits any usize.
                moved.push((slot as usize, leaf));
            }
        }
        self.enter(top, &moved, window, xen);
        Ok(())
    }

    /// Enters leaves at their places in one mid page and its frame list: the only place where either changes once they
    /// are built, so they cannot diverge.
    pub(super) fn enter<X: Hypervisor>(
        &self,
        top: u64,
        leaves: &[(usize, Leaf)],
        window: &Window,
        xen: &mut X,
    ) {
        if let Some(tree) = self.tree() {
            let mid = tree.mid_mut(top, window, xen);
            leaves.iter().for_each(|(slot, leaf)| mid[*slot] = leaf.at.as_u64());
        }
        if let Some(list) = &self.frame_list {
            leaves.iter().for_each(|(slot, leaf)| list.set(top, *slot, leaf.frame, window, xen));
        }
    }

    /// Returns the pages of one mid page's leaves that are not shared, in order of pfn.
    pub(super) fn leaves_of<'w, X: Hypervisor>(
        &'w self,
        top: u64,
        window: &'w Window,
        xen: &X,
    ) -> impl Iterator<Item = Pfn> + use<'w, X> {
        let mid = self.tree().map(|tree| tree.mid(window, top).words(xen));
        // Entries after the last leaf lead to the shared missing page.
        mid.into_iter().flatten().filter_map(|leaf| self.unshared(window, VirtAddr::new_truncate(leaf)))
    }

    /// Returns the page that a leaf pointer leads to, unless it is a shared one.
    pub(super) fn unshared(&self, window: &Window, at: VirtAddr) -> Option<Pfn> {
        let is_shared = at == window.address(self.missing.first())
            || self.tree().is_some_and(|tree| at == tree.identity(window));
        (!is_shared).then(|| self.page_at(window, at))
    }

    /// Returns the page that a leaf pointer leads to.
    pub(super) fn page_at(&self, window: &Window, at: VirtAddr) -> Pfn {
        self.list.page_at(at).map_or_else(|| window.pfn(at), |(_, page)| page)
    }

    /// Returns the pages that leaves lie in, besides split ones.
    #[must_use]
    pub fn list_pages(&self) -> Vec<PfnRange> {
        self.list.runs().iter().map(Run::pages).collect()
    }

    /// Returns the own mapping of the builder's list, as long as it exists.
    #[must_use]
    pub const fn own_mapping(&self) -> Option<&OwnMapping> {
        self.list.own_mapping()
    }

    /// Returns the pages that the P2M takes besides its leaves and page tables.
    #[must_use]
    pub fn own_pages(&self) -> u64 {
        let frame_list = self.frame_list.as_ref().map_or(0, FrameList::own_pages);
        self.missing.pages().pages() + self.tree().map_or(0, Tree::own_pages) + frame_list
    }
}

impl<X: Hypervisor> MappedLeaves<X> for Physmap {
    fn leaf<'l>(&'l self, window: &'l Window, xen: &X, pfn: Pfn) -> Option<ShownPage<'l>> {
        if pfn.raw() >= self.nr_pages {
            return None;
        }
        let tree = match &self.lookup {
            Lookup::Linear(linear) => return linear.leaf(pfn.raw() / PER_LEAF),
            Lookup::Tree(tree) => tree,
        };
        let at = tree.leaf(window, xen, Index::of(pfn)?);
        let (window, page) = self.list.page_at(at).unwrap_or_else(|| (window, window.pfn(at)));
        Some(window.shown_page(page))
    }
}

impl<X: Hypervisor> Leaves<X> for Physmap {
    fn leaf_words(&self, window: &Window, xen: &X, slot: Pfn) -> Words {
        match self.leaf(window, xen, slot) {
            Some(leaf) => leaf.words(xen),
            None => [INVALID; 512],
        }
    }
}
