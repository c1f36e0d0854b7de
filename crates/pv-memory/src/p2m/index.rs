//! Where a pfn is in the tree: index arithmetic, and the size of the tree for a number of pages.
//!
//! Pure. Neighbours: `build` sizes the tree with it, `tree` looks up with it.

use xen::addr::{ENTRIES, Pfn};

/// Leaf entry for a page without a machine frame; all ones, because 0 is a machine frame like any other.
pub(super) const INVALID: u64 = u64::MAX;

/// Pages that one leaf describes.
pub const PER_LEAF: u64 = ENTRIES;
/// Pages that one mid page describes.
pub const PER_MID: u64 = PER_LEAF * ENTRIES;

/// Most pages that a tree of three levels describes: 512 GiB.
pub const TREE_PAGES: u64 = PER_MID * ENTRIES;

/// The three indices of a pfn, each below 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// In the top page.
    pub top: usize,
    /// In the mid page.
    pub mid: usize,
    /// In the leaf.
    pub leaf: usize,
}

impl Index {
    /// Splits a pfn; `None` from 2^27 on, which three levels cannot hold.
    #[must_use]
    pub const fn of(pfn: Pfn) -> Option<Self> {
        let raw = pfn.raw();
        if raw >= TREE_PAGES {
            return None;
        }
        // Each below 512: fits any usize.
        Some(Self {
            top: (raw / PER_MID) as usize,
            mid: (raw / PER_LEAF % ENTRIES) as usize,
            leaf: (raw % PER_LEAF) as usize,
        })
    }
}

impl Index {
    /// Returns where leaf `number` is; `None` if it is after the last that three levels hold.
    #[must_use]
    pub const fn of_leaf(number: u64) -> Option<Self> {
        if number >= TREE_PAGES / PER_LEAF {
            return None;
        }
        Self::of(Pfn::new(number * PER_LEAF))
    }

    /// Returns the leaf's number: leaf n describes pages `n * 512` on.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.top as u64 * ENTRIES + self.mid as u64
    }
}

/// Leaves that `nr_pages` pages need.
#[must_use]
pub const fn leaves(nr_pages: u64) -> u64 {
    nr_pages.div_ceil(PER_LEAF)
}

/// Mid pages that `nr_pages` pages need.
#[must_use]
pub const fn mids(nr_pages: u64) -> u64 {
    nr_pages.div_ceil(PER_MID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pfn_of_512_gib_is_the_last_entry_and_the_next_has_none() {
        let last = Index::of(Pfn::new((1 << 27) - 1)).unwrap();
        assert_eq!((last.top, last.mid, last.leaf), (511, 511, 511));
        assert_eq!(Index::of(Pfn::new(1 << 27)), None);
    }

    #[test]
    fn neighbours_differ_in_the_lowest_index_that_carries() {
        let at = |raw| Index::of(Pfn::new(raw)).unwrap();
        assert_eq!(at(511), Index { top: 0, mid: 0, leaf: 511 });
        assert_eq!(at(512), Index { top: 0, mid: 1, leaf: 0 });
        assert_eq!(at(262_144), Index { top: 1, mid: 0, leaf: 0 });
    }

    #[test]
    fn a_leafs_number_is_that_of_its_first_page_in_leaves() {
        for leaf in [0, 1, 511, 512, 513, 100_000, 262_143] {
            let index = Index::of(Pfn::new(leaf * PER_LEAF + 511)).unwrap();
            assert_eq!((index.number(), Index::of_leaf(leaf)), (leaf, Some(Index { leaf: 0, ..index })));
        }
    }

    #[test]
    fn the_seeds_guest_has_65536_leaves_and_128_mids() {
        assert_eq!(leaves(0x200_0000), 65_536);
        assert_eq!(mids(0x200_0000), 128);
        assert_eq!(leaves(513), 2);
    }
}
