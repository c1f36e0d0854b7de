//! Frame allocator: which pages of the domain are free, as a few sorted extents.
//!
//! A bitmap or a free list would cost memory and boot time per page of RAM; extents cost per fragment, and a booting
//! domain has a handful. What is taken is a [`Run`], which comes back as one. The allocator relies on whoever starts it
//! or adopts pages to say which are free: it hands no page out twice, but does not know what is in one.
//!
//! Neighbours: fed by `layout`'s gaps, used by `direct_map`, `p2m`, `vmalloc`; gets the old list back in `cleanup`.

mod error;
mod run;

use alloc::vec::Vec;

use crate::window::Window;
pub use error::FrameError;
pub use run::Run;
pub(crate) use run::part;
use xen::addr::PfnRange;

/// Where a run should lie. The window knows what is mapped; the allocator keeps no record of its own.
#[derive(Clone, Copy, Debug)]
pub enum Zone<'w> {
    /// Where the window shows it: page tables and tree pages, lowest first.
    Mapped(&'w Window),
    /// Where the window does not show it, if possible: pages that need no direct mapping, or get one on demand.
    Far(&'w Window),
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

    /// Returns the number of free pages that a window shows.
    #[must_use]
    pub fn pages_shown(&self, window: &Window) -> u64 {
        self.candidates(Zone::Mapped(window)).map(|(_, part)| part.pages()).sum()
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
    pub const fn discard(&mut self, run: Run) {
        self.discarded += run.pages().pages();
    }

    /// Claims pages that the builder filled and that no gap contains, so that they can be given back later.
    ///
    /// # Errors
    /// [`FrameError::DoubleFree`] if one of them is free.
    pub fn adopt(&self, pages: PfnRange) -> Result<Run, FrameError> {
        match self.free.iter().find(|extent| extent.overlaps(pages)) {
            Some(_) => Err(FrameError::DoubleFree { pages }),
            None => Ok(Run::claim(pages)),
        }
    }

    /// Takes pages out of the free ones for good, wherever they are free.
    pub fn reserve(&mut self, pages: PfnRange) {
        while let Some(at) = self.free.iter().position(|extent| extent.overlaps(pages)) {
            self.carve(at, pages);
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
        let pages = run.pages();
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
        self.taken += pages.pages();
        self.carve(at, pages);
        Run::claim(pages)
    }

    /// Leaves of an extent what lies before and after these pages.
    fn carve(&mut self, at: usize, pages: PfnRange) {
        let extent = self.free.remove(at);
        let rest = [PfnRange::between(extent.start, pages.start), PfnRange::between(pages.end, extent.end)];
        for (offset, part) in rest.into_iter().filter(|part| !part.is_empty()).enumerate() {
            self.free.insert(at + offset, part);
        }
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
    use xen::addr::{Pfn, VirtAddr};

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
        let again = Run::claim(run.pages());
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
