//! Frame numbers, addresses and ranges: the glossary of the project.
//!
//! - **Pfn**: a page's number as the guest counts its own memory, 0 to `nr_pages`. "Pseudo-physical": contiguous
//!   for the guest only.
//! - **Mfn**: the number of the machine's page frame that backs it. It is the only frame number that a PV page-table
//!   entry holds, because a PV guest's tables are the tables that the processor walks.
//! - **P2M**: the guest's array pfn -> mfn. **M2P**: Xen's array mfn -> pfn, readable by every PV guest.
//!
//! A pfn and an mfn are both small integers, and mixing them up is the classic bug of this field. So they are types of
//! their own, without conversions and without arithmetic operators: every sum names what happens on overflow.
//!
//! Neighbours: everything. Sources: xen/include/public/xen.h (mfn_list, MACH2PHYS_VIRT_START), memory.h.

use core::fmt;

pub use x86_64::VirtAddr;

/// Bytes in a page, and in a page table.
pub const PAGE_SIZE: u64 = 4096;
/// Entries in a page table, and in a page of P2M.
pub const ENTRIES: u64 = 512;
/// Bytes that one L1 table maps (2 MiB).
pub const L1_SPAN: u64 = PAGE_SIZE * ENTRIES;
/// Bytes that one L2 table maps (1 GiB).
pub const L2_SPAN: u64 = L1_SPAN * ENTRIES;
/// Bytes that one L3 table maps (512 GiB).
pub const L3_SPAN: u64 = L2_SPAN * ENTRIES;

/// Pages that hold `bytes` bytes, the last one perhaps only in part.
#[must_use]
pub const fn pages_for(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_SIZE)
}

/// Page number in the guest's own, contiguous numbering.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pfn(u64);

/// Page frame number of the machine; what page-table entries and hypercalls use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mfn(u64);

impl Pfn {
    /// First page of the guest.
    pub const ZERO: Self = Self(0);

    /// Wraps a raw page number.
    #[must_use]
    #[inline]
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// Returns the raw page number.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Returns the page `pages` further on; saturates, so that an upper bound stays one.
    #[must_use]
    pub const fn plus(self, pages: u64) -> Self {
        Self(self.0.saturating_add(pages))
    }

    /// Returns how many pages `self` lies above `base`; zero if below.
    #[must_use]
    #[inline]
    pub const fn above(self, base: Self) -> u64 {
        self.0.saturating_sub(base.0)
    }

    /// Returns the first page of the 2 MiB slot (one L1 table's reach) that holds this page.
    #[must_use]
    pub const fn slot_start(self) -> Self {
        Self(self.0 / ENTRIES * ENTRIES)
    }
}

impl Mfn {
    /// Frame numbers that a page-table entry can hold: bits 12 to 51.
    const END: u64 = 1 << 40;

    /// Reads a P2M entry; `None` for all ones, a page without a frame, and for numbers that no page-table entry can
    /// hold.
    #[must_use]
    pub const fn from_p2m(word: u64) -> Option<Self> {
        if word < Self::END { Some(Self(word)) } else { None }
    }

    /// Wraps a raw frame number.
    #[must_use]
    #[inline]
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// Returns the raw frame number.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pfn {:#x}", self.0)
    }
}

impl fmt::Display for Pfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Mfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mfn {:#x}", self.0)
    }
}

impl fmt::Display for Mfn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Half-open range of guest pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PfnRange {
    /// First page.
    pub start: Pfn,
    /// First page after the range.
    pub end: Pfn,
}

impl PfnRange {
    /// Returns the range of `pages` pages from `start`.
    #[must_use]
    pub const fn new(start: Pfn, pages: u64) -> Self {
        Self { start, end: start.plus(pages) }
    }

    /// Returns the range from `start` up to, not including, `end`; empty if `end` lies below.
    #[must_use]
    pub const fn between(start: Pfn, end: Pfn) -> Self {
        Self { start, end: if end.0 < start.0 { start } else { end } }
    }

    /// Returns the number of pages.
    #[must_use]
    pub const fn pages(self) -> u64 {
        self.end.above(self.start)
    }

    /// Tells whether there is no page in the range.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.pages() == 0
    }

    /// Tells whether `pfn` lies in the range.
    #[must_use]
    #[inline]
    pub const fn contains(self, pfn: Pfn) -> bool {
        pfn.0 >= self.start.0 && pfn.0 < self.end.0
    }

    /// Tells whether the two ranges share a page.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.start.0 < other.end.0 && other.start.0 < self.end.0
    }

    /// Iterates over the pages, lowest first.
    pub fn iter(self) -> impl Iterator<Item = Pfn> {
        (self.start.0..self.end.0).map(Pfn)
    }
}

impl fmt::Debug for PfnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pfn {:#x} + {:#x} pages", self.start.0, self.pages())
    }
}

impl fmt::Display for PfnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Half-open range of virtual addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VirtRange {
    /// First address.
    pub start: VirtAddr,
    /// Length in bytes.
    pub bytes: u64,
}

impl VirtRange {
    /// Returns the range of `bytes` bytes from `start`.
    #[must_use]
    pub const fn new(start: VirtAddr, bytes: u64) -> Self {
        Self { start, bytes }
    }

    /// Returns the range from `start` up to, not including, `end`; empty if `end` lies below.
    #[must_use]
    pub const fn between(start: VirtAddr, end: VirtAddr) -> Self {
        Self { start, bytes: end.as_u64().saturating_sub(start.as_u64()) }
    }

    /// Returns the raw address after the last byte.
    #[must_use]
    pub const fn end_raw(self) -> u64 {
        self.start.as_u64().saturating_add(self.bytes)
    }

    /// Returns the number of pages touched by a page-aligned range.
    #[must_use]
    pub const fn pages(self) -> u64 {
        pages_for(self.bytes)
    }

    /// Tells whether `at` lies in the range.
    #[must_use]
    pub const fn contains(self, at: VirtAddr) -> bool {
        at.as_u64() >= self.start.as_u64() && at.as_u64() < self.end_raw()
    }

    /// Returns the number of bytes that the two ranges share.
    #[must_use]
    pub const fn shared_bytes(self, other: Self) -> u64 {
        let start = max(self.start.as_u64(), other.start.as_u64());
        let end = min(self.end_raw(), other.end_raw());
        end.saturating_sub(start)
    }
}

const fn max(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

const fn min(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

impl fmt::Display for VirtRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x} -> {:#018x}", self.start.as_u64(), self.end_raw())
    }
}

impl fmt::Debug for VirtRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_ranges_do_not_overlap() {
        let low = PfnRange::new(Pfn::new(0), 4);
        let high = PfnRange::new(Pfn::new(4), 4);
        assert!(!low.overlaps(high));
        assert!(low.overlaps(PfnRange::new(Pfn::new(3), 1)));
        assert!(!low.overlaps(PfnRange::new(Pfn::new(2), 0)));
    }

    #[test]
    fn a_range_ending_at_the_module_area_shares_nothing_with_it() {
        let modules = VirtRange::new(VirtAddr::new(0xffff_ffff_a000_0000), 0x1000);
        let below = VirtRange::new(VirtAddr::new(0xffff_ffff_9fff_f000), 0x1000);
        assert_eq!(below.shared_bytes(modules), 0);
        assert_eq!(VirtRange::new(below.start, 0x1001).shared_bytes(modules), 1);
    }

    #[test]
    fn a_partly_used_page_counts_as_one() {
        assert_eq!(pages_for(0), 0);
        assert_eq!(pages_for(1), 1);
        assert_eq!(pages_for(4096), 1);
        assert_eq!(pages_for(4097), 2);
    }
}
