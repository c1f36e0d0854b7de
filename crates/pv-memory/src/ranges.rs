//! A set of pages as few ranges: what a window shows, which pages are not RAM.
//!
//! Pure. Neighbours: `window`, `p2m::physmap`. The allocator (`frames`) keeps its extents itself: it hands them out as
//! values that own their pages; this set owns nothing.

use alloc::vec;
use alloc::vec::Vec;

use xen::addr::{ENTRIES, Pfn, PfnRange};

/// Sorted, disjoint, never adjacent, never empty ranges: pages that lie together are one range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    ranges: Vec<PfnRange>,
}

impl Ranges {
    pub(crate) const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Tells whether all the pages are in the set.
    pub(crate) fn contains(&self, pages: PfnRange) -> bool {
        self.ranges.iter().any(|range| pages.start >= range.start && pages.end <= range.end)
    }

    /// Returns the page after the last one in the set.
    pub(crate) fn end(&self) -> Pfn {
        self.ranges.last().map_or(Pfn::ZERO, |range| range.end)
    }

    /// Tells whether a page is in the set.
    pub(crate) fn has(&self, pfn: Pfn) -> bool {
        self.ranges.iter().any(|range| range.contains(pfn))
    }

    /// Returns the parts of `pages` that are in the set, lowest first.
    pub(crate) fn within(&self, pages: PfnRange) -> impl Iterator<Item = PfnRange> {
        let part =
            move |range: &PfnRange| PfnRange::between(range.start.max(pages.start), range.end.min(pages.end));
        self.ranges.iter().map(part).filter(|part| !part.is_empty())
    }

    /// Returns the parts of `pages` that are not in the set, lowest first.
    pub(crate) fn without(&self, pages: PfnRange) -> impl Iterator<Item = PfnRange> {
        let mut at = pages.start;
        let after_end = PfnRange::between(pages.end, pages.end);
        let gap = move |part: PfnRange| {
            let gap = PfnRange::between(at, part.start);
            at = part.end;
            gap
        };
        self.within(pages).chain(core::iter::once(after_end)).map(gap).filter(|gap| !gap.is_empty())
    }

    /// Adds pages.
    pub(crate) fn insert(&mut self, pages: PfnRange) {
        if pages.is_empty() {
            return;
        }
        let at = self.ranges.partition_point(|range| range.end < pages.start);
        let mut all = pages;
        while let Some(touching) = self.ranges.get(at).copied().filter(|range| range.start <= all.end) {
            all = PfnRange::between(all.start.min(touching.start), all.end.max(touching.end));
            self.ranges.remove(at);
        }
        self.ranges.insert(at, all);
    }

    /// Takes pages out.
    pub(crate) fn remove(&mut self, pages: PfnRange) {
        let rest = |range: PfnRange| {
            if range.overlaps(pages) {
                vec![PfnRange::between(range.start, pages.start), PfnRange::between(pages.end, range.end)]
            } else {
                vec![range]
            }
        };
        self.ranges =
            self.ranges.iter().flat_map(|range| rest(*range)).filter(|part| !part.is_empty()).collect();
    }
}

/// Cuts a range at the borders of the 2 MiB slots that it touches.
pub(crate) fn by_slot(pages: PfnRange) -> impl Iterator<Item = PfnRange> {
    let first = pages.start.slot_start().raw();
    (first..pages.end.raw()).step_by(ENTRIES as usize).map(move |slot| {
        let end = Pfn::new(slot + ENTRIES).min(pages.end);
        PfnRange::between(Pfn::new(slot).max(pages.start), end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const fn range(start: u64, pages: u64) -> PfnRange {
        PfnRange::new(Pfn::new(start), pages)
    }

    #[test]
    fn ranges_that_touch_become_one_in_whatever_order_they_came() {
        let mut set = Ranges::new();
        for start in [0, 2048, 1024] {
            set.insert(range(start, 512));
        }
        assert!(!set.contains(range(0, 600)));
        set.insert(range(512, 512));
        set.insert(range(1536, 512));
        assert_eq!(set.ranges, [range(0, 2560)]);
        assert!(set.contains(range(500, 2000)));
        assert!(!set.contains(range(2559, 2)));
    }

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set_of_pages(steps in proptest::collection::vec((any::<bool>(), 0_u64..60, 0_u64..20), 1..60)) {
            let mut set = Ranges::new();
            let mut naive = BTreeSet::new();
            for (adds, start, pages) in steps {
                if adds {
                    set.insert(range(start, pages));
                    naive.extend(start..start + pages);
                } else {
                    set.remove(range(start, pages));
                    naive.retain(|page| !(start..start + pages).contains(page));
                }
                for page in 0..100 {
                    prop_assert_eq!(set.has(Pfn::new(page)), naive.contains(&page));
                }
                let asked = range(start / 2, 2 * pages);
                let inside: Vec<_> = set.within(asked).flat_map(PfnRange::iter).map(Pfn::raw).collect();
                let outside: Vec<_> = set.without(asked).flat_map(PfnRange::iter).map(Pfn::raw).collect();
                let (expected, others): (Vec<_>, Vec<_>) =
                    asked.iter().map(Pfn::raw).partition(|page| naive.contains(page));
                prop_assert_eq!((inside, outside), (expected, others));
                prop_assert!(set.ranges.iter().all(|range| !range.is_empty()));
                let sorted = set.ranges.windows(2).all(|pair| pair[0].end < pair[1].start);
                prop_assert!(sorted, "{:?}", set.ranges);
            }
        }
    }
}
