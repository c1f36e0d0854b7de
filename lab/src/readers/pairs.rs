//! Pairs of page and machine frame, as a program of the toolstack listed them, and their digest.
//!
//! The digest is computed as `crates/pv-memory/src/p2m/digest.rs` describes it: equal counts and an equal sum mean equal
//! pairs. Where they differ, the pairs themselves show where to look.

use std::collections::HashMap;

/// A page and its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) pfn: u64,
    pub(super) mfn: u64,
}

/// What a program listed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    /// Pages with a frame, in the program's order.
    pub(super) present: Vec<Pair>,
    /// Pages without, if the program lists them.
    pub(super) missing: Option<u64>,
}

impl Pairs {
    /// The sum over all pairs.
    pub(super) fn sum(&self) -> u64 {
        self.present.iter().fold(0, |sum: u64, pair| sum.wrapping_add(pair.word()))
    }

    /// The lowest page with a frame.
    pub(super) fn first(&self) -> Option<u64> {
        self.present.iter().map(|pair| pair.pfn).min()
    }

    /// The highest page with a frame.
    pub(super) fn last(&self) -> Option<u64> {
        self.present.iter().map(|pair| pair.pfn).max()
    }

    /// The first page that is not listed, though pages before and after it are.
    pub(super) fn gap(&self) -> Option<u64> {
        let mut pages: Vec<_> = self.present.iter().map(|pair| pair.pfn).collect();
        pages.sort_unstable();
        pages.windows(2).find(|two| two[1] > two[0] + 1).map(|two| two[0] + 1)
    }

    /// The first two pairs with the same frame.
    pub(super) fn twice(&self) -> Option<[Pair; 2]> {
        let mut owners = HashMap::new();
        self.present.iter().find_map(|&pair| owners.insert(pair.mfn, pair).map(|before| [before, pair]))
    }
}

impl Pair {
    const fn word(self) -> u64 {
        mix(mix(self.pfn.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ self.mfn)
    }
}

const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Pair, Pairs};

    fn pairs(present: &[[u64; 2]]) -> Pairs {
        let present = present.iter().map(|&[pfn, mfn]| Pair { pfn, mfn }).collect();
        Pairs { present, missing: None }
    }

    /// The test of `crates/pv-memory/src/p2m/digest.rs` has the same sum.
    #[test]
    fn the_sum_is_the_guests_in_any_order() {
        let sum = 0xaf01_acd1_f0e9_0822;
        assert_eq!(pairs(&[[0, 0x1000], [1, 0x1001], [3, 0x2000]]).sum(), sum);
        assert_eq!(pairs(&[[3, 0x2000], [0, 0x1000], [1, 0x1001]]).sum(), sum);
    }

    #[test]
    fn a_gap_is_found_between_pages_only() {
        assert_eq!(pairs(&[[5, 1], [6, 2], [9, 3]]).gap(), Some(7));
        assert_eq!(pairs(&[[5, 1], [6, 2]]).gap(), None);
    }

    #[test]
    fn a_frame_with_two_pages_is_found() {
        let found = pairs(&[[5, 1], [6, 2], [9, 1]]).twice().unwrap();
        assert_eq!(found.map(|pair| pair.pfn), [5, 9]);
        assert_eq!(pairs(&[[5, 1], [6, 2]]).twice(), None);
    }
}
