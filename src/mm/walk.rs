//! Stage 3 of 9: walks the page tables that the builder made, and accounts for every mapping in them.
//!
//! start_info says where the tables are and how many; the processor uses what is in them. The walk starts at the
//! L4 table, counts tables per level, and checks that page n of the domain is mapped at `HIGH + n * 4096` and
//! nowhere else, without a hole, and that exactly the page tables are read-only. Only then may later stages reach a
//! page by arithmetic: the walk's product is the first [`Window`].
//!
//! Takes rows from `layout`; next is `direct_map`. Sources: xen/include/public/xen.h, "Start-of-day memory layout".

use core::fmt;

use super::area;
use super::dump::{Line, Merger, Rights};
use super::error::MmError;
use super::layout::{Layout, Name};
use super::pte::{Level, Pte};
use super::tables::{Table, Tables};
use super::window::Window;
use crate::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use crate::xen::start_info::Facts;
use crate::xen::{Hypervisor, Words};

/// First and last L4 slot of the hypervisor; the walk never looks there.
const XEN_SLOTS: core::ops::RangeInclusive<u64> = 256..=271;

/// Tables per level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// L4 to L1.
    pub tables: [u64; 4],
}

impl Counts {
    fn add(&mut self, level: Level) {
        self.tables[match level {
            Level::L4 => 0,
            Level::L3 => 1,
            Level::L2 => 2,
            Level::L1 => 3,
        }] += 1;
    }

    /// Returns the number of tables of all levels.
    #[must_use]
    pub fn total(self) -> u64 {
        self.tables.iter().sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [l4, l3, l2, l1] = self.tables;
        write!(f, "L4 {l4}, L3 {l3}, L2 {l2}, L1 {l1}")
    }
}

/// What the walk may find wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkError {
    /// A table lies outside the page-table row.
    TableOutside {
        /// The table.
        pfn: Pfn,
        /// The row.
        row: PfnRange,
    },
    /// The page tables, or one entry, cannot be read.
    Unreadable(MmError),
    /// An address maps another page than its place says.
    WrongPage {
        /// The address.
        at: VirtAddr,
        /// The page expected there.
        expected: Pfn,
        /// The page found there, if it is one of ours.
        found: Option<Pfn>,
    },
    /// A page between the start of the mapping and its end is not mapped.
    Hole {
        /// The first missing address.
        at: VirtAddr,
    },
    /// A page has the wrong right to be written: tables must not be writable, everything else must.
    WrongRight {
        /// The address.
        at: VirtAddr,
        /// Entry found.
        entry: u64,
    },
    /// The tables found are not as many as start_info says.
    Count {
        /// start_info.nr_pt_frames.
        expected: u64,
        /// Tables walked.
        found: u64,
    },
    /// The mapping ends before the boot stack does.
    Short {
        /// Page behind the last one mapped.
        end: Pfn,
        /// Page behind the boot stack.
        expected: Pfn,
    },
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableOutside { pfn, row } => write!(f, "a page table is {pfn}: expected one of {row}"),
            Self::Unreadable(error) => error.fmt(f),
            Self::WrongPage { at, expected, found: Some(found) } => {
                write!(f, "{at:#x} maps {found}: expected {expected}")
            }
            Self::WrongPage { at, expected, found: None } => {
                write!(f, "{at:#x} maps a frame that M2P does not give to this domain: expected {expected}")
            }
            Self::Hole { at } => write!(f, "{at:#x} is not mapped: expected no hole in the initial mapping"),
            Self::WrongRight { at, entry } => write!(
                f,
                "{at:#x} has entry {entry:#x}: expected page tables read-only and everything else writable"
            ),
            Self::Count { expected, found } => {
                write!(f, "{found} page tables found: start_info.nr_pt_frames says {expected}")
            }
            Self::Short { end, expected } => {
                write!(
                    f,
                    "the initial mapping ends at {end}: expected {expected} or more, the end of the boot stack"
                )
            }
        }
    }
}

/// The builder's tables, walked and found good.
#[derive(Debug)]
pub struct BootTables {
    /// Tables per level.
    pub counts: Counts,
    /// First page behind the initial mapping.
    pub end: Pfn,
    tables: Tables,
}

impl BootTables {
    /// Walks the tables; every run of pages with equal rights goes to `emit`.
    ///
    /// # Errors
    /// [`WalkError`], the first thing wrong.
    pub fn walk<X: Hypervisor>(
        layout: &Layout,
        facts: &Facts,
        xen: &mut X,
        emit: impl FnMut(Line),
    ) -> Result<Self, WalkError> {
        let row = layout.pages(Name::PageTables);
        let window = readable_tables(row, xen)?;
        let root = root_table(layout, row, &window, xen)?;
        let mut walk = Walk {
            xen,
            row,
            window: &window,
            facts,
            counts: Counts::default(),
            next: Pfn::ZERO,
            merger: Merger::new(emit),
        };
        walk.table(root, 0, Rights::ALL)?;
        let (counts, end) = walk.finish(layout)?;
        let window = Window::new(area::HIGH, end);
        Ok(Self { counts, end, tables: Tables::new(root, window) })
    }

    /// Hands the tables on.
    #[must_use]
    pub fn into_tables(self) -> Tables {
        self.tables
    }
}

/// Makes a window over the page-table row alone, after a trial read of each page.
fn readable_tables<X: Hypervisor>(row: PfnRange, xen: &mut X) -> Result<Window, WalkError> {
    let mut window = Window::new(area::HIGH, Pfn::ZERO);
    for pfn in row.iter() {
        let at = window.address(pfn);
        xen.probe(at).map_err(|_| WalkError::Unreadable(MmError::NotMapped { at }))?;
    }
    window.extend(row);
    Ok(window)
}

/// Finds the L4 table: the page at pt_base. Its machine frame is in the P2M list, which the walk then confirms.
fn root_table<X: Hypervisor>(
    layout: &Layout,
    row: PfnRange,
    window: &Window,
    xen: &mut X,
) -> Result<Table, WalkError> {
    let pfn = row.start;
    let at = VirtAddr::new_truncate(layout.high(Name::Phys2mach).start.as_u64() + pfn.raw() * 8);
    let mfn = Mfn::new(xen.probe(at).map_err(|_| WalkError::Unreadable(MmError::NotMapped { at }))?);
    if xen.m2p(mfn) != Some(pfn) {
        return Err(WalkError::WrongPage { at: window.address(pfn), expected: pfn, found: xen.m2p(mfn) });
    }
    Ok(Table { pfn, mfn, level: Level::L4 })
}

struct Walk<'w, X, F: FnMut(Line)> {
    xen: &'w X,
    row: PfnRange,
    window: &'w Window,
    facts: &'w Facts,
    counts: Counts,
    /// Page expected at the next address.
    next: Pfn,
    merger: Merger<F>,
}

impl<X: Hypervisor, F: FnMut(Line)> Walk<'_, X, F> {
    fn table(&mut self, table: Table, base: u64, above: Rights) -> Result<(), WalkError> {
        self.counts.add(table.level);
        let words = self.window.page(self.xen, table.pfn);
        let confirmed = self.confirmed(table, words);
        for (index, &word) in (0..ENTRIES).zip(words) {
            let entry = Pte::from_word(word);
            let at = VirtAddr::new_truncate(base + index * table.level.span());
            let skipped = table.level == Level::L4 && XEN_SLOTS.contains(&index);
            if skipped || !entry.is_present() {
                continue;
            }
            match table.level.below() {
                None => {
                    let found = confirmed.map(|first| first.plus(index));
                    let found = found.or_else(|| self.xen.m2p(entry.mfn()));
                    self.page(at, entry, above.and(entry), found)?;
                }
                Some(level) => {
                    let below = self.below(at, entry, level)?;
                    self.table(below, at.as_u64(), above.and(entry))?;
                }
            }
        }
        Ok(())
    }

    /// Has M2P confirm a whole L1 table at once; returns the first of its pages if it does.
    fn confirmed(&self, table: Table, words: &Words) -> Option<Pfn> {
        let frames = || words.map(|word| Pte::from_word(word).mfn().raw());
        (table.level == Level::L1 && self.xen.m2p_confirms(&frames(), self.next)).then_some(self.next)
    }

    fn below(&self, at: VirtAddr, entry: Pte, level: Level) -> Result<Table, WalkError> {
        let strange =
            WalkError::Unreadable(MmError::StrangeTable { at, level: level.above(), entry: entry.word() });
        let pfn = self.xen.m2p(entry.mfn()).filter(|_| !entry.is_large()).ok_or(strange)?;
        if self.row.contains(pfn) {
            Ok(Table { pfn, mfn: entry.mfn(), level })
        } else {
            Err(WalkError::TableOutside { pfn, row: self.row })
        }
    }

    /// Checks a mapping of the page `found`, which M2P gives its frame to.
    fn page(
        &mut self,
        at: VirtAddr,
        entry: Pte,
        rights: Rights,
        found: Option<Pfn>,
    ) -> Result<(), WalkError> {
        let expected = self.next;
        if at.as_u64() != area::HIGH.as_u64().wrapping_add(expected.raw() * PAGE_SIZE) {
            return Err(WalkError::Hole {
                at: VirtAddr::new_truncate(area::HIGH.as_u64() + expected.raw() * PAGE_SIZE),
            });
        }
        if found != Some(expected) && at != self.facts.shared_info {
            return Err(WalkError::WrongPage { at, expected, found });
        }
        if entry.is_writable() == self.row.contains(expected) {
            return Err(WalkError::WrongRight { at, entry: entry.word() });
        }
        self.merger.add(at, PAGE_SIZE, rights);
        self.next = expected.plus(1);
        Ok(())
    }

    fn finish(self, layout: &Layout) -> Result<(Counts, Pfn), WalkError> {
        self.merger.finish();
        let (expected, found) = (self.row.pages(), self.counts.total());
        if expected != found {
            return Err(WalkError::Count { expected, found });
        }
        if self.next < layout.alloc_end() {
            return Err(WalkError::Short { end: self.next, expected: layout.alloc_end() });
        }
        Ok((self.counts, self.next))
    }
}
