//! The whole P2M in one line: how many pages have a frame, and a sum over all pairs of page and frame.
//!
//! The toolstack reads the P2M through the frame list when the guest has ended. It has read the right entries if they
//! give the line that the guest printed before: equal counts and an equal sum mean equal pairs, except by a chance of
//! one in 2^64. The sum does not depend on the order of the pairs, because readers have orders of their own.
//!
//! The sum: each pair gives `mix(mix(pfn + 0x9e3779b97f4a7c15) ^ mfn)`, and all are added, modulo 2^64. `mix` is the
//! last step of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
//!
//! Neighbours: `reader` has the leaves; the boot prints the line (`digest=on`); `lab/src/readers/pairs.rs` computes it
//! anew, from what the toolstack has read.

use core::fmt;

use super::index::{self, PER_LEAF};
use super::physmap::Physmap;
use super::reader::MappedLeaves;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{Mfn, Pfn};

/// What the P2M says, in a few numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Entries with a frame.
    pub present: u64,
    /// Entries without.
    pub missing: u64,
    /// The first page with a frame.
    pub first: Option<Pfn>,
    /// The last page with a frame.
    pub last: Option<Pfn>,
    /// Over all pairs of page and frame.
    pub sum: u64,
}

impl Digest {
    /// Adds one entry; pages come in ascending order.
    fn add(&mut self, pfn: Pfn, word: u64) {
        match Mfn::from_p2m(word) {
            Some(mfn) => {
                self.present += 1;
                self.first = self.first.or(Some(pfn));
                self.last = Some(pfn);
                self.sum = self.sum.wrapping_add(pair(pfn, mfn));
            }
            None => self.missing += 1,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "digest {:#018x} of {} entries with a frame", self.sum, self.present)?;
        if let (Some(first), Some(last)) = (self.first, self.last) {
            write!(f, ", {first} to {last}")?;
        }
        write!(f, "; {} missing", self.missing)
    }
}

impl Physmap {
    /// Reads every entry.
    pub fn digest<X: Hypervisor>(&self, window: &Window, xen: &X) -> Digest {
        let mut digest = Digest::default();
        for number in 0..index::leaves(self.nr_pages()) {
            let start = number * PER_LEAF;
            let words = self.leaf(window, xen, Pfn::new(start)).map(|leaf| leaf.iter(xen));
            for (pfn, word) in (start..self.nr_pages()).map(Pfn::new).zip(words.into_iter().flatten()) {
                digest.add(pfn, word);
            }
        }
        digest
    }
}

const fn pair(pfn: Pfn, mfn: Mfn) -> u64 {
    mix(mix(pfn.raw().wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ mfn.raw())
}

const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::index::INVALID;
    use super::*;
    use std::string::ToString;

    fn of(words: &[u64]) -> Digest {
        let mut digest = Digest::default();
        for (pfn, word) in (0..).map(Pfn::new).zip(words) {
            digest.add(pfn, *word);
        }
        digest
    }

    #[test]
    fn entries_with_and_without_a_frame_are_counted() {
        let digest = of(&[INVALID, 7, INVALID, 9, INVALID]);
        assert_eq!((digest.present, digest.missing), (2, 3));
        assert_eq!((digest.first, digest.last), (Some(Pfn::new(1)), Some(Pfn::new(3))));
    }

    #[test]
    fn two_frames_that_change_places_change_the_sum() {
        assert_ne!(of(&[7, 9]).sum, of(&[9, 7]).sum);
        assert_ne!(of(&[7, 9]).sum, of(&[7, 7]).sum);
        assert_ne!(of(&[7, 9, 9, 7]).sum, of(&[9, 7, 7, 9]).sum);
    }

    /// The test of `lab/src/readers/pairs.rs` has the same sum.
    #[test]
    fn the_line_has_all_of_it() {
        assert_eq!(
            of(&[0x1000, 0x1001, INVALID, 0x2000]).to_string(),
            "digest 0xaf01acd1f0e90822 of 3 entries with a frame, pfn 0x0 to pfn 0x3; 1 missing"
        );
        assert_eq!(
            of(&[INVALID]).to_string(),
            "digest 0x0000000000000000 of 0 entries with a frame; 1 missing"
        );
    }
}
