//! Which frame backs which page now: what the domain has given back and got since it was built.
//!
//! Frames that were given back are given out again before new ones, the oldest first, and to whatever page asks: a
//! translation or an entry that was forgotten then leads to somebody else's content.
//!
//! Mirrors `decrease_reservation` and `populate_physmap` in xen/common/memory.c, `guest_remove_page` there and
//! `free_domheap_pages`.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::scatter::Scatter;
use xen::addr::{Mfn, Pfn, PfnRange};

/// The machine's memory, and the part of it that the domain owns.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What the builder did.
    pub(crate) scatter: Scatter,
    /// What changed since.
    since: Changes,
}

/// What is left of a frame's uses when it is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Unused,
    /// Something maps it.
    Mapped,
}

/// What changed since the domain was built.
#[derive(Clone, Debug, Default)]
struct Changes {
    /// Pages whose first frame is not theirs any more.
    gone: BTreeSet<u64>,
    /// Pages that got a frame.
    given: BTreeMap<u64, Mfn>,
    /// The same by frame.
    owners: BTreeMap<Mfn, Pfn>,
    /// Frames that nobody has.
    free: VecDeque<Mfn>,
    /// Frames taken from what the machine has besides.
    fresh: u64,
    /// Frames that were given back while something mapped them.
    held: BTreeSet<Mfn>,
    /// The most pages that the domain may have; `None` for as many as it asks for.
    most: Option<u64>,
}

impl Machine {
    pub(crate) fn new(scatter: Scatter) -> Self {
        Self { scatter, since: Changes::default() }
    }

    /// Returns the number of entries of the builder's P2M.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.scatter.pages()
    }

    /// Returns another domain's frame for which M2P has the number of this page.
    #[must_use]
    pub const fn foreign_at(&self, pfn: Pfn) -> Mfn {
        self.scatter.foreign_at(pfn)
    }

    /// Returns a frame of RAM that belongs to another domain.
    #[must_use]
    pub fn foreign(&self) -> Mfn {
        self.scatter.foreign()
    }

    /// Tells whether the frame is RAM, the domain's or not.
    #[must_use]
    pub const fn is_ram(&self, mfn: Mfn) -> bool {
        self.scatter.is_ram(mfn)
    }

    /// Returns the frame after the last frame of RAM: Xen's heap in this model.
    #[must_use]
    pub const fn limit(&self) -> Mfn {
        self.scatter.limit()
    }

    /// Returns the pages for which the builder had no frame, lowest first.
    #[must_use]
    pub fn holes(&self) -> &[PfnRange] {
        self.scatter.holes()
    }

    /// Returns the frame of a page; `None` if it has none.
    #[must_use]
    pub fn mfn(&self, pfn: Pfn) -> Option<Mfn> {
        let given = self.since.given.get(&pfn.raw()).copied();
        given.or_else(|| self.scatter.mfn(pfn).filter(|_| !self.since.gone.contains(&pfn.raw())))
    }

    /// Returns the page that a frame backs; `None` if it is not the domain's.
    #[must_use]
    pub fn pfn(&self, mfn: Mfn) -> Option<Pfn> {
        let given = self.since.owners.get(&mfn).copied();
        given.or_else(|| self.scatter.pfn(mfn).filter(|pfn| !self.since.gone.contains(&pfn.raw())))
    }

    /// Returns what M2P has for a frame: the page of whoever owns it.
    #[must_use]
    pub fn m2p(&self, mfn: Mfn) -> Option<Pfn> {
        if let Some(pfn) = self.since.owners.get(&mfn) {
            return Some(*pfn);
        }
        let is_free = self.scatter.pfn(mfn).is_some_and(|pfn| self.since.gone.contains(&pfn.raw()));
        if is_free { None } else { self.scatter.m2p(mfn) }
    }

    /// Returns how many pages of the domain have a frame.
    pub(crate) fn owned_pages(&self) -> u64 {
        let Changes { gone, given, held, .. } = &self.since;
        self.scatter.owned_pages() - gone.len() as u64 + given.len() as u64 + held.len() as u64
    }

    /// Takes a page's frame away; one that something maps stays the domain's, though it is no page's any more.
    pub(crate) fn release(&mut self, pfn: Pfn, mfn: Mfn, left: Left) {
        if self.since.owners.remove(&mfn).is_some() {
            self.since.given.remove(&pfn.raw());
        } else {
            self.since.gone.insert(pfn.raw());
        }
        match left {
            Left::Mapped => drop(self.since.held.insert(mfn)),
            Left::Unused => self.since.free.push_back(mfn),
        }
    }

    /// Sets the most pages that the domain may have.
    pub(crate) const fn set_most(&mut self, pages: u64) {
        self.since.most = Some(pages);
    }

    /// Gives a page a frame, if the domain may have one more; new ones lie far above all others.
    pub(crate) fn give(&mut self, pfn: Pfn) -> Option<Mfn> {
        assert!(self.mfn(pfn).is_none(), "{pfn} has a frame already: the old one would be lost");
        if self.since.most.is_some_and(|most| self.owned_pages() >= most) {
            return None;
        }
        let fresh = Mfn::new(self.limit().raw() + (1 << 24) + self.since.fresh);
        let reused = self.since.free.pop_front();
        self.since.fresh += u64::from(reused.is_none());
        let mfn = reused.unwrap_or(fresh);
        self.since.given.insert(pfn.raw(), mfn);
        self.since.owners.insert(mfn, pfn);
        Some(mfn)
    }
}
