//! Which machine frame the builder gives which page: a permutation, so that nothing can rely on frames being contiguous.
//!
//! Frame = first + (page * factor + offset) mod 2^k, factor odd: invertible by one multiplication, so M2P and P2M
//! need no memory at any size. At least half of the machine's frames are not the domain's: another one of the same
//! size has as many, pages from 0 on like ours, frames of our holes among them; the rest is free.
//!
//! Xen maps the initial domain's list by large pages, whose frames are adjacent and aligned; the shim's rings lie in
//! frames of Xen's. Such pages get blocks of frames above the scattered ones.

use alloc::vec::Vec;

use xen::Words;
use xen::addr::{Mfn, Pfn, PfnRange};

/// Adjacent frames, aligned to their number.
#[derive(Clone, Copy, Debug)]
struct Block {
    pages: PfnRange,
    first: u64,
}

impl Block {
    /// Tells whether large pages are one block: the list has 32 GiB at most. A page alone stays alone (`replaced`).
    fn is_followed_by(self, pages: PfnRange, first: u64) -> bool {
        pages.pages() > 1 && self.pages.end == pages.start && self.first + self.pages.pages() == first
    }
}

/// The machine's memory when the domain is built, and the part of it that the domain owns.
#[derive(Clone, Debug)]
pub(crate) struct Scatter {
    pages: u64,
    first: u64,
    mask: u64,
    factor: u64,
    inverse: u64,
    offset: u64,
    holes: Vec<PfnRange>,
    blocks: Vec<Block>,
    /// Frame after the last frame of RAM.
    end: u64,
}

impl Scatter {
    /// Scatters `pages` pages, without those in `holes`, over the frames from `first` on.
    pub(crate) fn new(pages: u64, first: Mfn, seed: u64, mut holes: Vec<PfnRange>) -> Self {
        holes.sort_by_key(|hole| hole.start);
        let mask = (pages * 2).next_power_of_two() - 1;
        let factor = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let offset = seed.rotate_left(17) & mask;
        let (first, inverse) = (first.raw(), inverse(factor));
        let end = first + mask + 1;
        Self { pages, first, mask, factor, inverse, offset, holes, blocks: Vec::new(), end }
    }

    /// Backs each of these ranges by frames in one piece, aligned as a large page of that length must be.
    pub(crate) fn with_blocks(mut self, ranges: impl Iterator<Item = PfnRange>) -> Self {
        for pages in ranges {
            let first = self.end.next_multiple_of(pages.pages());
            self.end = first + pages.pages();
            match self.blocks.last_mut() {
                Some(last) if last.is_followed_by(pages, first) => last.pages.end = pages.end,
                _ => self.blocks.push(Block { pages, first }),
            }
        }
        self
    }

    /// Returns the number of entries of the P2M.
    pub(crate) const fn pages(&self) -> u64 {
        self.pages
    }

    /// Returns the frame that the builder gave a page; `None` for a hole and after the last page.
    pub(crate) fn mfn(&self, pfn: Pfn) -> Option<Mfn> {
        let is_ours = pfn.raw() < self.pages && !self.is_hole(pfn);
        is_ours.then(|| match self.blocks.iter().find(|block| block.pages.contains(pfn)) {
            Some(block) => Mfn::new(block.first + pfn.above(block.pages.start)),
            None => self.frame(pfn.raw()),
        })
    }

    /// Returns the frames of 512 pages, if each of them has a scattered one.
    pub(crate) fn scattered(&self, first: Pfn) -> Option<Words> {
        let pages = PfnRange::new(first, 512);
        let holes = self.holes.iter().skip(self.holes.partition_point(|hole| hole.end <= first));
        let others = self.blocks.iter().map(|block| block.pages).chain(holes.take(1).copied());
        let is_plain =
            pages.end.raw() <= self.pages && !others.into_iter().any(|other| other.overlaps(pages));
        let mut number = first.raw().wrapping_mul(self.factor).wrapping_add(self.offset);
        is_plain.then(|| {
            core::array::from_fn(|_| {
                let frame = self.first + (number & self.mask);
                number = number.wrapping_add(self.factor);
                frame
            })
        })
    }

    /// Returns the page that the builder gave a frame to; `None` if it was not the domain's.
    pub(crate) fn pfn(&self, mfn: Mfn) -> Option<Pfn> {
        self.in_block(mfn).or_else(|| {
            let pfn = self.number(mfn).map(Pfn::new)?;
            let is_elsewhere = self.is_hole(pfn) || self.blocks.iter().any(|block| block.pages.contains(pfn));
            (pfn.raw() < self.pages && !is_elsewhere).then_some(pfn)
        })
    }

    /// Returns what M2P had for a frame when the domain was built: the page of whoever owned it, so another domain's
    /// frame may have a number that is one of ours. Mirrors `set_gpfn_from_mfn`, which knows no owner; free frames have
    /// none.
    pub(crate) fn m2p(&self, mfn: Mfn) -> Option<Pfn> {
        if let Some(pfn) = self.in_block(mfn) {
            return Some(pfn);
        }
        let number = self.number(mfn)?;
        let theirs = number.checked_sub(self.pages).filter(|page| *page < self.pages);
        if number < self.pages { Some(Pfn::new(number)) } else { theirs.map(Pfn::new) }
    }

    /// Returns the page of which a frame was before one of Xen's own took its place: one page alone, as the shim's
    /// rings.
    pub(crate) fn replaced(&self, mfn: Mfn) -> Option<Pfn> {
        let pfn = self.number(mfn).map(Pfn::new)?;
        let is_replaced = |block: &Block| block.pages.pages() == 1 && block.pages.contains(pfn);
        self.blocks.iter().any(is_replaced).then_some(pfn)
    }

    /// Returns another domain's frame for which M2P has the number of this page.
    pub(crate) const fn foreign_at(&self, pfn: Pfn) -> Mfn {
        self.frame(pfn.raw() % self.pages + self.pages)
    }

    /// Tells whether the frame is RAM, the domain's or not.
    pub(crate) const fn is_ram(&self, mfn: Mfn) -> bool {
        mfn.raw() >= self.first && mfn.raw() < self.end
    }

    /// Returns the frame after the last frame of RAM: Xen's heap in this model.
    pub(crate) const fn limit(&self) -> Mfn {
        Mfn::new(self.end)
    }

    /// Returns a frame of RAM that belongs to another domain.
    pub(crate) fn foreign(&self) -> Mfn {
        let mut number = 0;
        while self.pfn(Mfn::new(self.first + number)).is_some() {
            number += 1;
        }
        Mfn::new(self.first + number)
    }

    /// Returns the pages without a frame, lowest first.
    pub(crate) fn holes(&self) -> &[PfnRange] {
        &self.holes
    }

    /// Returns how many pages of the domain had a frame when it was built; holes do not overlap.
    pub(crate) fn owned_pages(&self) -> u64 {
        let within = |hole: &PfnRange| hole.end.raw().min(self.pages).saturating_sub(hole.start.raw());
        self.pages - self.holes.iter().map(within).sum::<u64>()
    }

    /// Frame of a number: the domain's pages come first, then the other domain's.
    const fn frame(&self, number: u64) -> Mfn {
        Mfn::new(self.first + (number.wrapping_mul(self.factor).wrapping_add(self.offset) & self.mask))
    }

    const fn number(&self, mfn: Mfn) -> Option<u64> {
        let place = mfn.raw().wrapping_sub(self.first);
        if place > self.mask {
            return None;
        }
        Some(place.wrapping_sub(self.offset).wrapping_mul(self.inverse) & self.mask)
    }

    /// The page that a frame of a block backs.
    fn in_block(&self, mfn: Mfn) -> Option<Pfn> {
        let offset = |block: &Block| mfn.raw().wrapping_sub(block.first);
        let block = self.blocks.iter().find(|block| offset(block) < block.pages.pages())?;
        Some(block.pages.start.plus(offset(block)))
    }

    /// Holes may touch, but none lies in another.
    fn is_hole(&self, pfn: Pfn) -> bool {
        let before = self.holes.partition_point(|hole| hole.start <= pfn);
        before > 0 && self.holes[before - 1].contains(pfn)
    }
}

/// Inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the good bits, starting with three.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::vec;

    #[test]
    fn every_page_has_its_own_frame_and_every_frame_leads_back() {
        let holes = vec![PfnRange::new(Pfn::new(700), 50)];
        for seed in [0, 1, 7, u64::MAX] {
            let machine = Scatter::new(5000, Mfn::new(1 << 34), seed, holes.clone());
            let mut seen = BTreeSet::new();
            for pfn in (0..5000).map(Pfn::new).filter(|pfn| !holes[0].contains(*pfn)) {
                let mfn = machine.mfn(pfn).unwrap();
                assert!(seen.insert(mfn));
                assert_eq!(machine.pfn(mfn), Some(pfn));
            }
            for first in (0..5000).map(Pfn::new) {
                let one_by_one = (0..512).map(|page| machine.mfn(first.plus(page)).map(Mfn::raw));
                let all: Option<Vec<_>> = one_by_one.collect();
                assert_eq!(machine.scattered(first).map(Vec::from), all, "{first}");
            }
            assert_eq!(machine.mfn(Pfn::new(700)), None);
            assert_eq!(machine.pfn(machine.foreign()), None);
            for pfn in [0, 699, 700, 4999].map(Pfn::new) {
                let theirs = machine.foreign_at(pfn);
                assert_eq!((machine.pfn(theirs), machine.m2p(theirs)), (None, Some(pfn)));
            }
        }
    }

    #[test]
    fn a_block_has_aligned_frames_and_its_scattered_ones_are_somebody_elses() {
        let large = [PfnRange::new(Pfn::new(1001), 512), PfnRange::new(Pfn::new(1513), 512)];
        let scattered = Scatter::new(5000, Mfn::new(0x105), 7, Vec::new());
        let machine = scattered.clone().with_blocks(large.into_iter());
        for pages in large {
            let first = machine.mfn(pages.start).unwrap();
            assert_eq!(first.raw() % 512, 0);
            assert!(machine.is_ram(first) && first < machine.limit());
            for pfn in pages.iter() {
                let mfn = machine.mfn(pfn).unwrap();
                assert_eq!(mfn.raw(), first.raw() + pfn.above(pages.start));
                assert_eq!(machine.pfn(mfn), Some(pfn));
                assert_eq!(machine.pfn(scattered.mfn(pfn).unwrap()), None);
            }
        }
        assert_eq!(machine.mfn(Pfn::new(1000)), scattered.mfn(Pfn::new(1000)));
    }
}
