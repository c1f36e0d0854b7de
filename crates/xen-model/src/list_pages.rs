//! Which pages of the domain hold the builder's P2M list, in the list's order.
//!
//! Neighbours: `contents` makes up what is in them, `uses` counts how they are used.

use alloc::vec::Vec;

use xen::addr::{ENTRIES, Pfn, PfnRange};

/// What maps the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MappedBy {
    /// The initial mapping, page after page.
    HighMapping,
    /// A mapping of the list alone, which starts at a multiple of 2 MiB (`INIT_P2M`).
    OwnMapping,
}

/// The list's pages, as few runs as they make.
#[derive(Clone, Debug)]
pub(crate) struct ListPages {
    runs: Vec<PfnRange>,
    mapped_by: MappedBy,
}

impl ListPages {
    /// Joins runs that follow each other: Xen takes the list in pieces of a large page.
    pub(crate) fn new(parts: impl Iterator<Item = PfnRange>, mapped_by: MappedBy) -> Self {
        let mut runs: Vec<PfnRange> = Vec::new();
        for part in parts {
            match runs.last_mut() {
                Some(last) if last.end == part.start => last.end = part.end,
                _ => runs.push(part),
            }
        }
        Self { runs, mapped_by }
    }

    /// Returns which page of the list a page is.
    pub(crate) fn number(&self, pfn: Pfn) -> Option<u64> {
        let mut before = 0;
        for run in &self.runs {
            if run.contains(pfn) {
                return Some(before + pfn.above(run.start));
            }
            before += run.pages();
        }
        None
    }

    /// Returns a page of the list by its number; `None` after the last.
    pub(crate) fn page(&self, number: u64) -> Option<Pfn> {
        let mut left = number;
        for run in &self.runs {
            if left < run.pages() {
                return Some(run.start.plus(left));
            }
            left -= run.pages();
        }
        None
    }

    /// Returns how many groups of 512 there are, each of which one L1 table or one entry above maps; none without a
    /// mapping of its own.
    pub(crate) fn groups(&self) -> u64 {
        match self.mapped_by {
            MappedBy::HighMapping => 0,
            MappedBy::OwnMapping => {
                self.runs.iter().copied().map(PfnRange::pages).sum::<u64>().div_ceil(ENTRIES)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_numbered_across_the_tables_between_them() {
        let parts =
            [(10, 512), (522, 512), (1035, 3)].map(|(start, pages)| PfnRange::new(Pfn::new(start), pages));
        let list = ListPages::new(parts.into_iter(), MappedBy::OwnMapping);
        assert_eq!((list.runs.len(), list.groups()), (2, 3));
        for number in 0..1027 {
            let pfn = list.page(number).unwrap();
            assert_eq!(list.number(pfn), Some(number));
        }
        assert_eq!((list.page(1027), list.number(Pfn::new(1034))), (None, None));
    }
}
