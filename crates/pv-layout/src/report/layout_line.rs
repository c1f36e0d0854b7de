//! The lines in which a toolstack and our guest print a layout: one parser for both, because the guest prints in the
//! toolstack's form.
//!
//! ```text
//! kernel       : 0xffffffff81000000 -> 0xffffffff81e43000  (pfn 0x1000 + 0xe43 pages)
//! start info   : 0xffffffffa25c7000 (pfn 0x225c7)
//! virt_alloc_end : 0xffffffffa26e2000
//! 0x00000000001fffff/21: 0xffffffff80000000 -> 0xffffffffa27fffff, 276 table(s)
//! ```
//!
//! The prefixes (`xc_dom_alloc_segment:`, `layout:`) are read by the dialects. Sources: Xen's
//! `tools/libs/guest/xg_dom_core.c` and `xg_dom_x86.c`, docs/boot-log.md.

use crate::scene::PAGE;
use std::fmt;

/// The toolstack's tables are counted by the address bits that one entry of the table above covers.
const LEVELS: [(&str, usize); 4] = [("/21:", 0), ("/30:", 1), ("/39:", 2), ("/48:", 3)];
/// Newer toolstacks tell an address by its lower 48 bits.
const PLACE: u64 = (1 << 48) - 1;
const LAST_SLOT: u64 = 511 << 39;
const MARKS: [(&str, Mark); 2] = [("virt_alloc_end", Mark::AllocEnd), ("virt_pgtab_end", Mark::MappedEnd)];

/// One row of a layout, in whole pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub start: u64,
    pub end: u64,
    pub pfn: u64,
    pub pages: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} -> {:#x} (pfn {:#x} + {:#x} pages)", self.start, self.end, self.pfn, self.pages)
    }
}

/// An address that ends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// First address that the builder did not use.
    AllocEnd,
    /// First address after the initial mapping.
    MappedEnd,
}

impl Mark {
    pub(crate) fn name(self) -> &'static str {
        MARKS.iter().find(|(_, mark)| *mark == self).map_or("", |(name, _)| name)
    }
}

/// A row or a mark, with the name in front of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LayoutLine {
    Row(String, Row),
    Mark(Mark, u64),
}

/// Reads `NAME : 0x... -> 0x... (pfn 0x... + 0x... pages)`, the same for one page, or `MARK : 0x...`.
pub(crate) fn parse(text: &str) -> Option<LayoutLine> {
    let (name, value) = text.split_once(':')?;
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((_, mark)) = MARKS.iter().find(|(word, _)| *word == name) {
        return Some(LayoutLine::Mark(*mark, *hex_numbers(value).first()?));
    }
    if !value.contains("(pfn ") {
        return None;
    }
    // Newer toolstacks know a ramdisk as the first of several modules.
    let name = if name == "module0" { "ramdisk".to_owned() } else { name };
    Some(LayoutLine::Row(name, row(value)?))
}

/// A value without its closing bracket has been cut: its last number may be only the beginning of one.
fn row(value: &str) -> Option<Row> {
    let (value, _) = value.split_once(')')?;
    match *hex_numbers(value) {
        // The toolstack ends a ramdisk at its last byte; rows are whole pages.
        [start, end, pfn, pages] => Some(Row { start, end: end.checked_next_multiple_of(PAGE)?, pfn, pages }),
        [start, pfn] => Some(Row { start, end: start.checked_add(PAGE)?, pfn, pages: 1 }),
        _ => None,
    }
}

/// A toolstack's count of page tables of one level (0 is L1) for the addresses from `place` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    pub level: usize,
    pub place: u64,
    pub count: u64,
}

impl Counted {
    /// Whether they map what is not in the last slot of the L4, where the initial mapping is. Our guest prints no place.
    const fn is_of_list(&self) -> bool {
        self.level < 3 && self.place != 0 && self.place & PLACE < LAST_SLOT
    }
}

/// Reads `MASK/BITS: 0x... -> 0x..., N table(s)`.
pub(crate) fn counted(text: &str) -> Option<Counted> {
    let (_, level) = LEVELS.iter().find(|(bits, _)| text.contains(bits))?;
    let (range, count) = text.rsplit_once(',')?;
    let count = count.trim().strip_suffix("table(s)")?.trim().parse().ok()?;
    let place = range.split_once(": ").and_then(|(_, range)| hex_numbers(range).first().copied())?;
    Some(Counted { level: *level, place, count })
}

/// Page tables by level and place: a builder that maps the P2M apart counts twice, and it counts a place
/// again if the tables themselves need another table. A count for the same place takes the place of the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    counted: Vec<Counted>,
}

impl Counts {
    /// More places than any builder has; a log full of them is no log.
    const MOST: usize = 64;

    pub(crate) fn add(&mut self, new: Counted) {
        let same = |old: &Counted| (old.level, old.place) == (new.level, new.place);
        match self.counted.iter().position(same) {
            Some(at) => self.counted[at] = new,
            None if self.counted.len() < Self::MOST => self.counted.push(new),
            None => {}
        }
    }

    /// As [`Counts::level`], of the initial mapping alone.
    pub(crate) fn initial(&self, level: usize) -> Option<u64> {
        let counted = self.counted.iter().filter(|counted| !counted.is_of_list()).cloned().collect();
        Self { counted }.level(level)
    }

    /// Tables of all levels that map a P2M at an address of its own.
    pub(crate) fn of_list(&self) -> u64 {
        let counts = self.counted.iter().filter(|counted| counted.is_of_list());
        counts.fold(0, |sum, counted| sum.saturating_add(counted.count))
    }

    /// The sum of a level, if any of it was printed. Newer dialects do not print the one L4.
    pub(crate) fn level(&self, level: usize) -> Option<u64> {
        let mut counts = self.counted.iter().filter(|counted| counted.level == level).peekable();
        if counts.peek().is_none() {
            return (level == 3 && !self.counted.is_empty()).then_some(1);
        }
        Some(counts.fold(0, |sum, counted| sum.saturating_add(counted.count)))
    }
}

/// Reads our guest's `L4 1, L3 1, L2 1, L1 276`, in any order.
pub(crate) fn guest_tables(text: &str) -> Vec<Counted> {
    text.split(',')
        .filter_map(|part| {
            let (level, count) = part.trim().split_once(' ')?;
            let level =
                level.strip_prefix('L')?.parse::<usize>().ok()?.checked_sub(1).filter(|level| *level < 4)?;
            Some(Counted { level, place: 0, count: count.trim().parse().ok()? })
        })
        .collect()
}

/// All `0x...` numbers of a text.
pub(crate) fn hex_numbers(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()).collect()
}
