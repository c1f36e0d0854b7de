//! What is in frames that nobody has written: a rule, which makes up the words when they are read.
//!
//! The largest domain's list has 32 GiB, and the L1 tables of its mapping 64 MiB; a rule takes none of it.
//!
//! Neighbours: `memory` keeps what was written, `builder` says where things are.

use crate::entry::PRESENT;
use crate::list_pages::ListPages;
use crate::scatter::Scatter;
use xen::Words;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange};

/// What free RAM holds under a debug Xen (`xen/common/page_alloc.c:scrub_one_page`).
pub(crate) const SCRUB: u64 = 0xc2c2_c2c2_c2c2_c2c2;

/// An L1 table of the list's own mapping: its 512 entries show a group of the list's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListTable {
    /// Which 512 pages of the list.
    pub(crate) group: u64,
    /// Bits of each entry.
    pub(crate) bits: u64,
}

/// Content that follows from a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// One repeated word.
    Same(u64),
    /// A page of the list.
    List(u64),
    /// A table that shows pages of the list.
    ListTable(ListTable),
    /// A page of the ramdisk.
    Ramdisk(usize),
}

/// Where the builder put what has a rule.
#[derive(Clone)]
pub(crate) struct Contents {
    /// The P2M list.
    pub(crate) list: ListPages,
    /// Word after the list's last entry, in its last page.
    pub(crate) list_tail: u64,
    /// The ramdisk.
    pub(crate) ramdisk: PfnRange,
    /// Its bytes, whole pages.
    pub(crate) ramdisk_bytes: &'static [u8],
    /// What the builder cleared.
    pub(crate) zeroed: PfnRange,
}

impl Contents {
    /// Returns what the builder left in a frame that nobody has written since.
    pub(crate) fn rule(&self, scatter: &Scatter, mfn: Mfn) -> Rule {
        let Some(pfn) = scatter.pfn(mfn) else { return Rule::Same(0) };
        if let Some(page) = self.list.number(pfn) {
            Rule::List(page)
        } else if self.ramdisk.contains(pfn) {
            Rule::Ramdisk(pfn.above(self.ramdisk.start) as usize)
        } else {
            Rule::Same(if self.zeroed.contains(pfn) { 0 } else { SCRUB })
        }
    }

    /// Makes up one word.
    pub(crate) fn word(&self, scatter: &Scatter, rule: Rule, index: usize) -> u64 {
        match rule {
            Rule::Same(word) => word,
            Rule::List(page) => self.list_entry(scatter, Pfn::new(page * ENTRIES + index as u64)),
            Rule::ListTable(table) => self.table_entry(scatter, table, index),
            Rule::Ramdisk(page) => self.ramdisk_word(page, index),
        }
    }

    /// Makes up all words.
    pub(crate) fn words(&self, scatter: &Scatter, rule: Rule) -> Words {
        let scattered = match rule {
            Rule::Same(word) => return [word; 512],
            Rule::List(page) => scatter.scattered(Pfn::new(page * ENTRIES)),
            Rule::ListTable(_) | Rule::Ramdisk(_) => None,
        };
        scattered.unwrap_or_else(|| core::array::from_fn(|index| self.word(scatter, rule, index)))
    }

    /// Returns the frame of a page of the list.
    pub(crate) fn list_frame(&self, scatter: &Scatter, number: u64) -> Option<Mfn> {
        scatter.mfn(self.list.page(number)?)
    }

    fn list_entry(&self, scatter: &Scatter, pfn: Pfn) -> u64 {
        if pfn.raw() >= scatter.pages() {
            self.list_tail
        } else {
            scatter.mfn(pfn).map_or(u64::MAX, Mfn::raw)
        }
    }

    fn table_entry(&self, scatter: &Scatter, table: ListTable, index: usize) -> u64 {
        debug_assert!(table.bits & PRESENT != 0, "a table of the list shows its pages");
        let frame = self.list_frame(scatter, table.group * ENTRIES + index as u64);
        frame.map_or(0, |mfn| (mfn.raw() * PAGE_SIZE) | table.bits)
    }

    fn ramdisk_word(&self, page: usize, index: usize) -> u64 {
        let bytes = &self.ramdisk_bytes[page * PAGE_SIZE as usize + index * 8..][..8];
        bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
}
