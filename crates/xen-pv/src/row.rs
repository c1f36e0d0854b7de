//! Words that count up, and how a page differs from them.
//!
//! Xen's builders hand frames out in ascending order, so most pages of a P2M, of M2P and of the L1 tables that map them
//! hold a first word and 511 that follow it at equal steps. Whether they do is all that a boot needs to know of most of
//! its memory, and it can be asked as fast as memory can be read ([`Pages::differences`](crate::Pages::differences)).

use crate::addr::{Mfn, PAGE_SIZE, Pfn};
use crate::pte::Pte;

/// Words that count up: each exceeds the one before by `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The first word.
    pub first: u64,
    /// From each word to the next.
    pub step: u64,
}

impl Row {
    /// A part of the P2M whose frames are contiguous, from `first` on.
    #[must_use]
    pub const fn of_frames(first: Mfn) -> Self {
        Self { first: first.raw(), step: 1 }
    }

    /// A part of M2P that gives contiguous frames to contiguous pages, from `first` on.
    #[must_use]
    pub const fn of_pages(first: Pfn) -> Self {
        Self { first: first.raw(), step: 1 }
    }

    /// An L1 table that maps contiguous frames with the rights of its first entry.
    #[must_use]
    pub const fn of_entries(first: Pte) -> Self {
        Self { first: first.word(), step: PAGE_SIZE }
    }

    /// Returns the bits in which any word differs from the one that it should be; zero if the words are this row.
    #[must_use]
    pub fn differences(self, words: &[u64; 512]) -> u64 {
        let mut expected = self.first;
        words.iter().fold(0, |differences, word| {
            let found = word ^ expected;
            expected = expected.wrapping_add(self.step);
            differences | found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = Row { first: 0x1000, step: 3 };

    fn words() -> [u64; 512] {
        core::array::from_fn(|index| 0x1000 + 3 * index as u64)
    }

    #[test]
    fn a_row_does_not_differ_from_itself() {
        assert_eq!(ROW.differences(&words()), 0);
    }

    #[test]
    fn a_word_that_differs_shows_in_which_bits_wherever_it_is() {
        for index in [0, 1, 255, 510, 511] {
            let mut words = words();
            words[index] ^= 0x6000;
            assert_eq!(ROW.differences(&words), 0x6000, "word {index}");
        }
    }
}
