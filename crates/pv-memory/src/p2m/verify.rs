//! Compares the P2M with Xen's M2P, entry by entry: an oracle that is not this project's code.
//!
//! For a page of RAM, `M2P[P2M[pfn]]` must be `pfn`. Xen writes M2P, the builder wrote the P2M, and the boot moved it;
//! if they agree for every page, nothing was lost on the way. Runs before and after `revector`; its time is measured
//! separately.

use core::fmt;

use super::index::{self, INVALID, Index, PER_LEAF};
use super::physmap::Physmap;
use super::reader::{FrameReader, MappedLeaves};
use crate::l1_entries::L1Entries;
use crate::tables::Tables;
use crate::window::{Stretch, Window};
use xen::Hypervisor;
use xen::addr::{Mfn, PAGE_SIZE, Pfn};

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

/// What the toolstack is shown of the P2M.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// The frame list.
    #[default]
    FrameList,
    /// A list in address space.
    List,
    /// Both.
    Both,
    /// Neither.
    Nothing,
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
    /// Leaves that the toolstack finds, according to M2P, in everything that it is shown.
    pub found: u64,
    /// Leaves looked at; none if the toolstack is shown nothing.
    pub leaves: u64,
    /// What the toolstack is shown.
    pub shown: Shown,
    /// Entries of the P2M.
    pub entries: u64,
    /// The first page whose frame belongs to another page according to M2P.
    pub first_bad: Option<(Pfn, Mfn)>,
}

impl Verified {
    /// Tells whether M2P confirmed everything that was looked at.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.good == self.looked_at && self.found == self.leaves
    }

    /// Tells whether an earlier run counted as many entries with and without a frame: none may appear or disappear.
    #[must_use]
    pub const fn equals(&self, earlier: &Self) -> bool {
        self.good == earlier.good && self.missing == earlier.missing
    }
}

impl Verified {
    fn fmt_wrong(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((pfn, mfn)) = self.first_bad {
            write!(f, "; first wrong: {pfn} -> {mfn}, which M2P gives to another page")?;
        }
        Ok(())
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
        let shown = match self.shown {
            Shown::FrameList => "in the machine-frame tree",
            Shown::List => "in the published list",
            Shown::Both => "in the machine-frame tree and the published list",
            Shown::Nothing => return f.write_str("; nothing is published").and_then(|()| self.fmt_wrong(f)),
        };
        write!(f, "; {} of {} leaves {shown}", self.found, self.leaves)?;
        self.fmt_wrong(f)
    }
}

impl Physmap {
    /// Compares the P2M with M2P as far as `extent` says.
    pub fn verify<X: Hypervisor>(&self, tables: &Tables, xen: &X, extent: Verify) -> Verified {
        let mut seen = Verified { entries: self.nr_pages, shown: self.shown(), ..Verified::default() };
        let every = match extent {
            Verify::Off => return seen,
            Verify::Sample => 64,
            Verify::Full => 1,
        };
        let window = tables.window();
        let (mut frames, mut entries) = (FrameReader::new(self, window), L1Entries::new(tables));
        for number in (0..index::leaves(self.nr_pages)).step_by(every) {
            if seen.shown != Shown::Nothing {
                let page = self.leaf_for_toolstack(window, xen, number);
                let found = self.is_in_frame_list(page, &mut frames, window, xen, number)
                    && self.is_in_list(page, &mut frames, &mut entries, xen, number);
                seen.leaves += 1;
                seen.found += u64::from(found);
            }
            self.verify_leaf(window, xen, Pfn::new(number * PER_LEAF), &mut seen);
        }
        seen
    }

    fn shown(&self) -> Shown {
        match (self.frame_list.is_some(), self.published_list().is_some()) {
            (true, false) => Shown::FrameList,
            (false, true) => Shown::List,
            (true, true) => Shown::Both,
            (false, false) => Shown::Nothing,
        }
    }

    /// The page that the toolstack must find for a leaf. It does not know identity pages: it finds missing ones there.
    fn leaf_for_toolstack<X: Hypervisor>(&self, window: &Window, xen: &X, number: u64) -> Pfn {
        let page = self.leaf_pfn(window, xen, number);
        if self.is_shared(window, page) { self.missing.first() } else { page }
    }

    /// Tells whether the frame list has the frame of a leaf's page, if there is a frame list.
    fn is_in_frame_list<X: Hypervisor>(
        &self,
        page: Pfn,
        frames: &mut FrameReader<'_, X>,
        window: &Window,
        xen: &X,
        number: u64,
    ) -> bool {
        let Some(list) = &self.frame_list else { return true };
        let Some(index) = Index::of_leaf(number) else { return false };
        is_frame_of(page, list.entry(window, xen, index), frames, xen)
    }

    /// Tells whether the page tables map a leaf's page where the published list has it, if a list is published.
    fn is_in_list<X: Hypervisor>(
        &self,
        page: Pfn,
        frames: &mut FrameReader<'_, X>,
        entries: &mut L1Entries<'_>,
        xen: &X,
        number: u64,
    ) -> bool {
        let Some(at) = self.published_list() else { return true };
        let entry = entries.get(xen, at + number * PAGE_SIZE).ok().flatten();
        entry.is_some_and(|(_, entry)| entry.is_present() && is_frame_of(page, entry.mfn(), frames, xen))
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

/// Tells whether M2P and the P2M give a frame to a page.
fn is_frame_of<X: Hypervisor>(page: Pfn, frame: Mfn, frames: &mut FrameReader<'_, X>, xen: &X) -> bool {
    let found = xen.m2p(frame).and_then(|claim| claim.confirmed(|pfn| frames.frame(xen, pfn).ok()));
    found == Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    const SEEN: Verified = Verified {
        good: 90,
        looked_at: 90,
        missing: 10,
        found: 2,
        leaves: 2,
        shown: Shown::FrameList,
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
        assert!(!Verified { found: 1, ..SEEN }.is_good());
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
