//! The ownership of pages: it cannot be copied, only taken and given back.
//!
//! So no page is handed out twice, and writing through a run touches nobody else's memory. Only the allocator, the
//! file above, can make one.
//!
//! Neighbours: `window` writes to the pages of a run; whoever holds one gives it back to `frames`.

use xen::addr::{Pfn, PfnRange};

/// Pages owned by whoever holds this.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "dropping a run loses its pages: give it back to the allocator"]
pub struct Run {
    pages: PfnRange,
}

impl Run {
    /// Gives pages an owner: the allocator has just taken them out of the free ones, or checked that none of them is
    /// free.
    pub(super) const fn claim(pages: PfnRange) -> Self {
        Self { pages }
    }

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

/// Returns up to `pages` pages from page `first` of some runs on, each stretch of them with its run.
pub(crate) fn part(runs: &[Run], first: u64, pages: u64) -> impl Iterator<Item = (&Run, PfnRange)> {
    let (mut skip, mut left) = (first, pages);
    runs.iter().filter_map(move |run| {
        let own = run.pages();
        let start = skip.min(own.pages());
        let taken = left.min(own.pages() - start);
        (skip, left) = (skip - start, left - taken);
        Some((run, PfnRange::new(own.start.plus(start), taken))).filter(|(_, part)| !part.is_empty())
    })
}
