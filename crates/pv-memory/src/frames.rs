//! Frame allocator: which pages of the domain are free, as a few sorted extents.
//!
//! A bitmap or a free list would cost memory and boot time per page of RAM; extents cost per fragment, and a booting
//! domain has a handful. A [`Run`] is the ownership of its pages: it cannot be copied, only taken and given back,
//! so no page is handed out twice and writing through a run touches nobody else's memory.
//!
//! Neighbours: fed by `layout`'s gaps, used by `direct_map`, `p2m`, `vmalloc`; gets the old list back in `cleanup`.

use alloc::vec::Vec;
use core::fmt;

use crate::window::Window;
use xen::addr::{Pfn, PfnRange};

/// Pages owned by whoever holds this.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "dropping a run loses its pages: give it back to the allocator"]
pub struct Run {
    pages: PfnRange,
}

impl Run {
    /// Returns which pages these are.
    #[must_use]
    pub const fn pages(&self) -> PfnRange {
        self.pages
    }

    /// Returns the first page.
    #[must_use]
    pub const fn first(&self) -> Pfn {
        self.pages.start
    }

    /// Splits the first `pages` pages off; `self` keeps the rest.
    pub const fn split_front(&mut self, pages: u64) -> Self {
        let cut = if pages < self.pages.pages() { self.pages.start.plus(pages) } else { self.pages.end };
        let front = PfnRange::between(self.pages.start, cut);
        self.pages = PfnRange::between(cut, self.pages.end);
        Self { pages: front }
    }

    /// Adds the run that starts where this one ends.
    pub(crate) const fn join(&mut self, next: Self) {
        assert!(self.pages.end.raw() == next.pages.start.raw(), "runs that are joined must be neighbours");
        self.pages.end = next.pages.end;
    }
}

/// Where a run should lie. What is mapped, the window says: the allocator has no account of its own.
#[derive(Clone, Copy, Debug)]
pub enum Zone<'w> {
    /// Where the window shows it: page tables and tree pages, lowest first.
    Mapped(&'w Window),
    /// Where the window does not show it, if possible: pages that need no direct mapping, or get one on demand.
    Far(&'w Window),
}

/// What can go wrong with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Not enough free pages of the kind asked for.
    Exhausted {
        /// Pages asked for.
        wanted: u64,
        /// Pages free in all.
        free: u64,
    },
    /// Pages given back that are free already.
    DoubleFree {
        /// The pages.
        pages: PfnRange,
    },
    /// There are enough free pages, but in more pieces than a list of them may have.
    Scattered {
        /// Pages asked for.
        wanted: u64,
        /// Most pieces.
        most: usize,
    },
}

impl core::error::Error for FrameError {}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { wanted, free } => write!(
                f,
                "out of memory: {wanted} pages wanted, {free} free: give the domain {} MiB more",
                wanted.saturating_sub(*free).div_ceil(256).max(1)
            ),
            Self::DoubleFree { pages } => write!(f, "{pages} given back twice"),
            Self::Scattered { wanted, most } => write!(
                f,
                "{wanted} pages wanted, which lie in more than {most} pieces between holes: boot with p2m=alias, \
                 or give the domain memory without holes"
            ),
        }
    }
}

/// The free pages of the domain.
#[derive(Debug)]
pub struct Frames {
    /// Sorted, disjoint, never adjacent, never empty.
    free: Vec<PfnRange>,
    discarded: u64,
    taken: u64,
    returned: u64,
}

impl Frames {
    /// Starts with the given disjoint gaps.
    pub fn new(gaps: impl Iterator<Item = PfnRange>) -> Self {
        Self { free: gaps.collect(), discarded: 0, taken: 0, returned: 0 }
    }

    /// Returns the number of free pages.
    #[must_use]
    pub fn free_pages(&self) -> u64 {
        self.free.iter().map(|extent| extent.pages()).sum()
    }

    /// Returns the number of pages that were free once and turned out to have no machine frame.
    #[must_use]
    pub const fn discarded_pages(&self) -> u64 {
        self.discarded
    }

    /// Returns the number of pages handed out so far, those given back since among them.
    #[must_use]
    pub const fn taken_pages(&self) -> u64 {
        self.taken
    }

    /// Returns the number of pages given back so far.
    #[must_use]
    pub const fn returned_pages(&self) -> u64 {
        self.returned
    }

    /// Takes pages out for good that have no machine frame.
    pub(crate) const fn discard(&mut self, run: Run) {
        self.discarded += run.pages.pages();
    }

    /// Claims pages that the builder filled and that no gap contains, so that they can be given back later.
    ///
    /// # Errors
    /// [`FrameError::DoubleFree`] if one of them is free.
    pub fn adopt(&self, pages: PfnRange) -> Result<Run, FrameError> {
        match self.free.iter().find(|extent| extent.overlaps(pages)) {
            Some(_) => Err(FrameError::DoubleFree { pages }),
            None => Ok(Run { pages }),
        }
    }

    /// Takes pages out of the free ones for good, wherever they are free.
    pub fn reserve(&mut self, pages: PfnRange) {
        while let Some(at) = self.free.iter().position(|extent| extent.overlaps(pages)) {
            let extent = self.free.remove(at);
            let rest =
                [PfnRange::between(extent.start, pages.start), PfnRange::between(pages.end, extent.end)];
            for (offset, part) in rest.into_iter().filter(|part| !part.is_empty()).enumerate() {
                self.free.insert(at + offset, part);
            }
        }
    }

    /// Takes exactly `pages` adjacent pages.
    ///
    /// # Errors
    /// [`FrameError::Exhausted`] if no extent of the zone has as many.
    pub fn take(&mut self, zone: Zone<'_>, pages: u64) -> Result<Run, FrameError> {
        let wanted = FrameError::Exhausted { wanted: pages, free: self.free_pages() };
        let (at, part) = self.candidates(zone).find(|(_, part)| part.pages() >= pages).ok_or(wanted)?;
        Ok(self.cut(at, PfnRange::new(part.start, pages)))
    }

    /// Takes up to `most` adjacent pages: as many as the first suitable extent has.
    ///
    /// # Errors
    /// [`FrameError::Exhausted`] if nothing is left.
    pub fn take_up_to(&mut self, zone: Zone<'_>, most: u64) -> Result<Run, FrameError> {
        let wanted = FrameError::Exhausted { wanted: most, free: self.free_pages() };
        let (at, part) = self.candidates(zone).next().ok_or(wanted)?;
        Ok(self.cut(at, PfnRange::new(part.start, part.pages().min(most))))
    }

    /// Gives pages back.
    ///
    /// # Errors
    /// [`FrameError::DoubleFree`] if one of them is free already; nothing is changed then.
    pub fn give_back(&mut self, run: Run) -> Result<(), FrameError> {
        let pages = run.pages;
        if pages.is_empty() {
            return Ok(());
        }
        let at = self.free.partition_point(|extent| extent.start < pages.start);
        let touches_before = at > 0 && self.free[at - 1].end > pages.start;
        let touches_after = at < self.free.len() && self.free[at].start < pages.end;
        if touches_before || touches_after {
            return Err(FrameError::DoubleFree { pages });
        }
        self.returned += pages.pages();
        self.free.insert(at, pages);
        self.merge_with_next(at);
        if at > 0 {
            self.merge_with_next(at - 1);
        }
        Ok(())
    }

    fn merge_with_next(&mut self, at: usize) {
        if at + 1 < self.free.len() && self.free[at].end == self.free[at + 1].start {
            self.free[at].end = self.free[at + 1].end;
            self.free.remove(at + 1);
        }
    }

    /// Parts of extents that suit the zone, best first, with the extent's index.
    fn candidates<'a>(&'a self, zone: Zone<'a>) -> impl Iterator<Item = (usize, PfnRange)> + 'a {
        let (window, far) = match zone {
            Zone::Mapped(window) => (window, None),
            Zone::Far(window) => (window, Some(window)),
        };
        let extents = || (0..).zip(&self.free);
        let hidden = move |window: &'a Window| {
            extents().flat_map(move |(at, extent)| window.hidden(*extent).map(move |part| (at, part)))
        };
        let shown = extents().flat_map(move |(at, extent)| window.shown(*extent).map(move |part| (at, part)));
        far.into_iter().flat_map(hidden).chain(shown)
    }

    fn cut(&mut self, at: usize, pages: PfnRange) -> Run {
        let extent = self.free.remove(at);
        self.taken += pages.pages();
        let rest = [PfnRange::between(extent.start, pages.start), PfnRange::between(pages.end, extent.end)];
        for (offset, part) in rest.into_iter().filter(|part| !part.is_empty()).enumerate() {
            self.free.insert(at + offset, part);
        }
        Run { pages }
    }
}

/// Gives all runs back.
pub(crate) fn give_back(runs: impl IntoIterator<Item = Run>, frames: &mut Frames) -> Result<(), FrameError> {
    runs.into_iter().try_for_each(|run| frames.give_back(run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec;
    use xen::addr::VirtAddr;

    fn frames() -> Frames {
        let gaps = [PfnRange::new(Pfn::new(0), 16), PfnRange::new(Pfn::new(32), 100)];
        Frames::new(gaps.into_iter())
    }

    /// Shows the pages below 64.
    fn window() -> Window {
        Window::new(VirtAddr::zero(), Pfn::new(64))
    }

    #[test]
    fn far_pages_come_from_behind_the_mapped_part_until_there_are_none() {
        let mut frames = frames();
        assert_eq!(frames.take(Zone::Far(&window()), 10).unwrap().first(), Pfn::new(64));
        let rest = frames.take_up_to(Zone::Far(&window()), 1000).unwrap();
        assert_eq!(rest.pages(), PfnRange::new(Pfn::new(74), 58));
        assert_eq!(frames.take(Zone::Far(&window()), 10).unwrap().first(), Pfn::new(0));
    }

    #[test]
    fn mapped_pages_never_come_from_behind_the_mapped_part() {
        let mut frames = frames();
        assert_eq!(frames.take(Zone::Mapped(&window()), 20).unwrap().first(), Pfn::new(32));
        assert!(matches!(
            frames.take(Zone::Mapped(&window()), 20),
            Err(FrameError::Exhausted { wanted: 20, free: 96 })
        ));
    }

    #[test]
    fn a_page_given_back_twice_is_refused() {
        let mut frames = frames();
        let run = frames.take(Zone::Mapped(&window()), 4).unwrap();
        let again = Run { pages: run.pages() };
        frames.give_back(run).unwrap();
        assert!(matches!(frames.give_back(again), Err(FrameError::DoubleFree { .. })));
        assert_eq!(frames.free.len(), 2);
    }

    #[test]
    fn reserved_pages_are_never_handed_out() {
        let mut frames = frames();
        frames.reserve(PfnRange::new(Pfn::new(8), 32));
        assert_eq!(frames.free, vec![PfnRange::new(Pfn::new(0), 8), PfnRange::new(Pfn::new(40), 92)]);
    }

    proptest! {
        #[test]
        fn no_page_is_handed_out_twice_and_none_is_lost(steps in proptest::collection::vec((0_u8..4, 1_u64..40), 1..200)) {
            let mut frames = frames();
            let all = frames.free_pages();
            let mut held: Vec<Run> = vec![];
            let mut owned = BTreeSet::new();
            for (kind, pages) in steps {
                let taken = match kind {
                    0 => frames.take(Zone::Mapped(&window()), pages).ok(),
                    1 => frames.take(Zone::Far(&window()), pages).ok(),
                    2 => frames.take_up_to(Zone::Far(&window()), pages).ok(),
                    _ => {
                        if let Some(run) = (!held.is_empty()).then(|| held.swap_remove(pages as usize % held.len())) {
                            for pfn in run.pages().iter() {
                                owned.remove(&pfn);
                            }
                            frames.give_back(run).unwrap();
                        }
                        None
                    }
                };
                if let Some(run) = taken {
                    for pfn in run.pages().iter() {
                        prop_assert!(owned.insert(pfn), "{pfn} handed out twice");
                    }
                    held.push(run);
                }
                prop_assert_eq!(frames.free_pages() + owned.len() as u64, all);
            }
        }
    }
}
