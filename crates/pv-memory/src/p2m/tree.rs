//! The tree itself: lookups, re-pointing leaves, and the pages it consists of.
//!
//! A leaf pointer is an address. [`Initial`] leaves lie in the high mapping, where the builder put its list;
//! [`Moved`] ones in the direct map. The type parameter of [`P2m`] says which, so that moving a tree twice does not
//! compile. [`Tree`] is the same without the parameter: reading and changing entries does not depend on where leaves
//! are, and is compiled only once.
//!
//! Neighbours: `build` fills the pages, `revector` re-points the leaves.

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::index::{self, INVALID, Index};
use super::list::ListPages;
use super::plan::Plan;
use super::reader::{Leaves, MappedLeaves};
use crate::builder_list::OwnMapping;
use crate::error::MmError;
use crate::frames::Run;
use crate::ranges::Ranges;
use crate::window::{ShownPage, Window};
use xen::addr::{ENTRIES, Mfn, Pfn, PfnRange, VirtAddr};
use xen::{Hypervisor, Words};

/// Where leaves point: [`Initial`] or [`Moved`].
pub trait State: core::fmt::Debug {}
/// Leaves are the builder's list, reached through the high mapping.
#[derive(Debug)]
pub enum Initial {}
/// No leaf is reached through the high mapping.
#[derive(Debug)]
pub enum Moved {}
impl State for Initial {}
impl State for Moved {}

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

/// Decides where a leaf shall be, for [`Tree::repoint`].
pub(super) type Target<'f, X> = dyn FnMut(&X, u64, Option<Pfn>) -> Result<Option<Leaf>, MmError> + 'f;

/// A tree that the boot still has to move, or has moved.
#[derive(Debug)]
pub struct P2m<S: State> {
    tree: Tree,
    state: PhantomData<S>,
}

impl<S: State> P2m<S> {
    /// Marks a tree with where its leaves are.
    pub(super) const fn new(tree: Tree) -> Self {
        Self { tree, state: PhantomData }
    }

    /// Drops the mark: no later stage moves the leaves or removes the mapping below them.
    #[must_use]
    pub fn into_tree(self) -> Tree {
        self.tree
    }
}

impl<S: State> Deref for P2m<S> {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        &self.tree
    }
}

impl<S: State> DerefMut for P2m<S> {
    fn deref_mut(&mut self) -> &mut Tree {
        &mut self.tree
    }
}

/// The P2M tree and its frame list.
#[derive(Debug)]
pub struct Tree {
    pub(super) nr_pages: u64,
    pub(super) plan: Plan,
    /// Top, shared and mid pages, and those of the frame list.
    pub(super) pages: Run,
    /// The pages that leaves lie in, besides split ones.
    pub(super) list: ListPages,
    /// Leaves made by splitting the shared one.
    pub(super) split: Vec<Run>,
    /// Pages that are not RAM. A leaf cannot say so: the toolstack reads it too, and knows frames and all ones only.
    pub(super) identity: Ranges,
}

impl Tree {
    /// Returns the number of entries, the domain's pages.
    #[must_use]
    pub const fn nr_pages(&self) -> u64 {
        self.nr_pages
    }

    /// Looks a page up.
    pub fn get<X: Hypervisor>(&self, window: &Window, xen: &X, pfn: Pfn) -> Slot {
        let Some(index) = Index::of(pfn).filter(|_| pfn.raw() < self.nr_pages) else { return Slot::Missing };
        let leaf = self.leaf_address(window, xen, index);
        if leaf == self.shared(window, Plan::IDENTITY) {
            return Slot::Identity;
        }
        let (through, page) = self.locate_leaf(window, leaf);
        match through.word(xen, page, index.leaf) {
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

    /// Re-points leaves of one mid page to other frames: the only place where tree and frame list change once they are
    /// built, so they cannot diverge.
    ///
    /// `target` is called once for each leaf, in order of pfn, with the leaf's number and its current page (`None`: a
    /// shared leaf), and returns where it shall be, or `None` to leave it.
    pub(super) fn repoint<X: Hypervisor>(
        &self,
        top: u64,
        window: &Window,
        xen: &mut X,
        target: &mut Target<'_, X>,
    ) -> Result<(), MmError> {
        let mut moved = Vec::new();
        let pointers = self.mid(window, top).words(xen);
        for ((number, slot), pointer) in (top * ENTRIES..index::leaves(self.nr_pages)).zip(0..).zip(&pointers)
        {
            let now = self.unshared(window, VirtAddr::new_truncate(*pointer));
            if let Some(leaf) = target(xen, number, now)? {
                moved.push((slot, leaf));
            }
        }
        self.enter(top, &moved, window, xen);
        Ok(())
    }

    /// Enters leaves at their places in one mid page and its frame list.
    pub(super) fn enter<X: Hypervisor>(
        &self,
        top: u64,
        leaves: &[(usize, Leaf)],
        window: &Window,
        xen: &mut X,
    ) {
        let mid = window.page_mut(xen, &self.pages, Plan::mid(top));
        leaves.iter().for_each(|(slot, leaf)| mid[*slot] = leaf.at.as_u64());
        let mid_mfn = window.page_mut(xen, &self.pages, self.plan.mid_mfn(top));
        leaves.iter().for_each(|(slot, leaf)| mid_mfn[*slot] = leaf.frame.raw());
    }

    /// Re-points the leaves of one mid page that are reached at the builder's addresses to those that `window` has for
    /// the same pages. Their frames stay what they are, and so does the frame list.
    pub(super) fn readdress<X: Hypervisor>(&self, top: u64, window: &Window, xen: &mut X) {
        let pages = self.list.part(top * ENTRIES, ENTRIES).flat_map(|(_, pages)| pages.iter());
        let mid = window.page_mut(xen, &self.pages, Plan::mid(top));
        for ((number, leaf), page) in (top * ENTRIES..).zip(mid).zip(pages) {
            if *leaf == self.list.address(number).as_u64() {
                *leaf = window.address(page).as_u64();
            }
        }
    }

    /// Returns the pages of one mid page's leaves that are not shared, in order of pfn.
    pub(super) fn leaves_of<'w, X: Hypervisor>(
        &'w self,
        top: u64,
        window: &'w Window,
        xen: &X,
    ) -> impl Iterator<Item = Pfn> + use<'w, X> {
        // Entries after the last leaf lead to the shared missing page.
        self.mid(window, top)
            .words(xen)
            .into_iter()
            .filter_map(|leaf| self.unshared(window, VirtAddr::new_truncate(leaf)))
    }

    fn mid<'w>(&self, window: &'w Window, top: u64) -> ShownPage<'w> {
        window.shown_page(self.pages.first().plus(Plan::mid(top)))
    }

    /// Returns the frame list's entry for the leaf at `index`.
    pub(super) fn frame_list_entry<X: Hypervisor>(&self, window: &Window, xen: &X, index: Index) -> Mfn {
        let mid = self.pages.first().plus(self.plan.mid_mfn(index.top as u64));
        Mfn::new(window.word(xen, mid, index.mid))
    }

    /// Returns the leaf pointer for `index`.
    pub(super) fn leaf_address<X: Hypervisor>(&self, window: &Window, xen: &X, index: Index) -> VirtAddr {
        let mid = window.word(xen, self.pages.first().plus(Plan::TOP), index.top);
        let leaf = window.word(xen, window.pfn(VirtAddr::new_truncate(mid)), index.mid);
        VirtAddr::new_truncate(leaf)
    }

    /// Returns the address of one of the tree's own pages.
    pub(super) const fn shared(&self, window: &Window, page: u64) -> VirtAddr {
        window.address(self.pages.first().plus(page))
    }

    /// Returns the page that a leaf pointer leads to, unless it is a shared one.
    pub(super) fn unshared(&self, window: &Window, at: VirtAddr) -> Option<Pfn> {
        let is_shared = at == self.shared(window, Plan::MISSING) || at == self.shared(window, Plan::IDENTITY);
        (!is_shared).then(|| self.leaf_pfn(window, at))
    }

    /// Returns the page that a leaf pointer leads to, and the mapping that the pointer belongs to.
    pub(super) fn locate_leaf<'w>(&'w self, window: &'w Window, at: VirtAddr) -> (&'w Window, Pfn) {
        self.list.page_at(at).unwrap_or_else(|| (window, window.pfn(at)))
    }

    /// Returns the page that a leaf pointer leads to.
    pub(super) fn leaf_pfn(&self, window: &Window, at: VirtAddr) -> Pfn {
        self.locate_leaf(window, at).1
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

    /// Returns the pages that the tree takes besides its leaves.
    #[must_use]
    pub const fn own_pages(&self) -> u64 {
        self.pages.pages().pages()
    }
}

impl<X: Hypervisor> MappedLeaves<X> for Tree {
    fn leaf<'l>(&'l self, window: &'l Window, xen: &X, slot: Pfn) -> Option<ShownPage<'l>> {
        let index = Index::of(slot).filter(|_| slot.raw() < self.nr_pages)?;
        let (window, leaf) = self.locate_leaf(window, self.leaf_address(window, xen, index));
        Some(window.shown_page(leaf))
    }
}

impl<X: Hypervisor> Leaves<X> for Tree {
    fn leaf_words(&self, window: &Window, xen: &X, slot: Pfn) -> Words {
        match self.leaf(window, xen, slot) {
            Some(leaf) => leaf.words(xen),
            None => [INVALID; 512],
        }
    }
}
