//! Compares the tree with Xen's M2P, entry by entry: an oracle that is not this project's code.
//!
//! For a page of RAM, `M2P[P2M[pfn]]` must be `pfn`. Xen writes M2P, the builder wrote the P2M, and the boot moved it;
//! if they agree for every page, nothing was lost on the way. Runs before and after `revector`; its time is measured
//! separately.

use core::fmt;

use super::index::{self, INVALID, Index, PER_LEAF};
use super::plan::Plan;
use super::reader::{FrameReader, MappedLeaves};
use super::tree::Tree;
use crate::window::{Stretch, Window};
use xen::Hypervisor;
use xen::addr::{Mfn, Pfn};

/// How much of the P2M is compared with M2P.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Every entry.
    Full,
    /// Every 64th leaf.
    Sample,
    /// Nothing.
    Off,
}

/// The result of verification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries that M2P confirms.
    pub good: u64,
    /// Entries looked at that hold a frame.
    pub looked_at: u64,
    /// Entries without a frame.
    pub missing: u64,
    /// Leaves whose machine frame is correct in the frame list, according to M2P.
    pub frame_list_good: u64,
    /// Leaves looked at.
    pub leaves: u64,
    /// Entries of the tree.
    pub entries: u64,
    /// The first page whose frame belongs to another page according to M2P.
    pub first_bad: Option<(Pfn, Mfn)>,
}

impl Verified {
    /// Tells whether M2P confirmed everything that was looked at.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.good == self.looked_at && self.frame_list_good == self.leaves
    }

    /// Tells whether an earlier run counted as many entries with and without a frame: none may appear or disappear.
    #[must_use]
    pub const fn equals(&self, earlier: &Self) -> bool {
        self.good == earlier.good && self.missing == earlier.missing
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} entries equal M2P", self.good, self.looked_at)?;
        if self.missing > 0 {
            write!(f, ", {} missing", self.missing)?;
        }
        if self.looked_at + self.missing < self.entries {
            write!(f, " (sample of {})", self.entries)?;
        }
        write!(f, "; {} of {} leaves in the machine-frame tree", self.frame_list_good, self.leaves)?;
        if let Some((pfn, mfn)) = self.first_bad {
            write!(f, "; first wrong: {pfn} -> {mfn}, which M2P gives to another page")?;
        }
        Ok(())
    }
}

impl Tree {
    /// Compares the tree with M2P as far as `extent` says.
    pub fn verify<X: Hypervisor>(&self, window: &Window, xen: &X, extent: Verify) -> Verified {
        let every = match extent {
            Verify::Off => return Verified { entries: self.nr_pages, ..Verified::default() },
            Verify::Sample => 64,
            Verify::Full => 1,
        };
        let mut seen = Verified { entries: self.nr_pages, ..Verified::default() };
        let mut frames = FrameReader::new(self, window);
        for number in (0..index::leaves(self.nr_pages)).filter(|number| number % every == 0) {
            seen.leaves += 1;
            seen.frame_list_good += u64::from(self.frame_list_is_right(&mut frames, window, xen, number));
            self.verify_leaf(window, xen, Pfn::new(number * PER_LEAF), &mut seen);
        }
        seen
    }

    /// The toolstack finds leaves by machine frame: it must be the frame of the page that the tree points to.
    fn frame_list_is_right<X: Hypervisor>(
        &self,
        frames: &mut FrameReader<'_, X>,
        window: &Window,
        xen: &X,
        number: u64,
    ) -> bool {
        let Some(index) = Index::of(Pfn::new(number * PER_LEAF)) else { return false };
        let leaf = self.leaf_pfn(window, self.leaf_address(window, xen, index));
        let own = self.pages.first();
        // The toolstack does not know identity pages: it must find missing ones there.
        let expected = if leaf == own.plus(Plan::IDENTITY) { own.plus(Plan::MISSING) } else { leaf };
        let entry = self.frame_list_entry(window, xen, index);
        let page = xen.m2p(entry).and_then(|claim| claim.confirmed(|pfn| frames.frame(xen, pfn).ok()));
        page == Some(expected)
    }

    fn verify_leaf<X: Hypervisor>(&self, window: &Window, xen: &X, first: Pfn, seen: &mut Verified) {
        let Some(leaf) = self.leaf(window, xen, first) else { return };
        let whole = first.raw() + PER_LEAF <= self.nr_pages;
        if whole && Stretch::from(leaf).contiguous_frames(xen, first).is_some() {
            seen.good += PER_LEAF;
            seen.looked_at += PER_LEAF;
            return;
        }
        for (pfn, word) in (first.raw()..self.nr_pages).map(Pfn::new).zip(leaf.iter(xen)) {
            if word == INVALID {
                seen.missing += 1;
                continue;
            }
            seen.looked_at += 1;
            if xen.m2p(Mfn::new(word)).is_some_and(|claim| claim.names(pfn)) {
                seen.good += 1;
            } else if seen.first_bad.is_none() {
                seen.first_bad = Some((pfn, Mfn::new(word)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const SEEN: Verified = Verified {
        good: 90,
        looked_at: 90,
        missing: 10,
        frame_list_good: 2,
        leaves: 2,
        entries: 100,
        first_bad: None,
    };

    #[test]
    fn an_entry_that_came_or_went_makes_a_difference() {
        assert!(SEEN.equals(&SEEN));
        assert!(!SEEN.equals(&Verified { good: 89, ..SEEN }));
        assert!(!SEEN.equals(&Verified { missing: 11, ..SEEN }));
    }

    #[test]
    fn one_wrong_entry_or_leaf_is_enough() {
        assert!(SEEN.is_good());
        assert!(!Verified { good: 89, ..SEEN }.is_good());
        assert!(!Verified { frame_list_good: 1, ..SEEN }.is_good());
    }

    #[test]
    fn the_text_says_what_was_left_out() {
        let all = Verified { good: 100, looked_at: 100, missing: 0, ..SEEN };
        assert_eq!(all.to_string(), "100 of 100 entries equal M2P; 2 of 2 leaves in the machine-frame tree");
        assert!(SEEN.to_string().starts_with("90 of 90 entries equal M2P, 10 missing; 2"));
        let sample = Verified { entries: 101, ..SEEN };
        assert!(sample.to_string().contains(", 10 missing (sample of 101);"));
    }
}
