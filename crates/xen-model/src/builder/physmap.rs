//! Where a list with a mapping of its own (`INIT_P2M`) and the tables of that mapping lie, page by page.
//!
//! The toolstack takes the list's pages in one piece, then its tables, highest level first, and maps by pages of
//! 4 KiB. Xen takes for the initial domain what it meets on its way from the first address to the last: a table where
//! one is missing, a page of 1 GiB or 2 MiB where the address is aligned and so much is left, and a small page
//! otherwise. Page numbers follow the order in which pages were taken, so tables lie between pieces of the list, and a
//! large page starts at a page number that is aligned to nothing. (Its frames are aligned: `machine`.)
//!
//! Xen 4.14 to 4.20 uses 1 GiB pages only where the processor has them and the domain cannot come to need shadow
//! paging for L1TF; the model's machine has them.
//!
//! Mirrors `alloc_p2m_list_x86_64` (tools/libs/guest/xg_dom_x86.c) and `setup_pv_physmap`
//! (xen/arch/x86/pv/dom0_build.c). Compared with both by tests/model/builders.rs.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::BuildError;
use super::table_count::tables_for;
use xen::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use xen::pte::Level;

/// Where the image wants its list: 512 GiB, as Linux does. A gigabyte's start, so both large sizes fit.
pub(super) const INIT_P2M: VirtAddr = VirtAddr::new(1 << 39);

/// What pages of a [`Piece`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A page table of this level.
    Table(Level),
    /// Pages of the list, mapped by entries of this level: small ones at level 1, one large one above.
    List(Level),
}

/// Pages taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What they are.
    pub part: Part,
    /// First address that they show, or that the table is there for.
    pub at: VirtAddr,
    /// Their page numbers.
    pub pages: PfnRange,
}

impl Piece {
    pub(super) const fn is_list(&self) -> bool {
        matches!(self.part, Part::List(_))
    }
}

fn at(page: u64) -> VirtAddr {
    VirtAddr::new(INIT_P2M.as_u64() + page * PAGE_SIZE)
}

/// Hands out page numbers.
struct Taken {
    next: Pfn,
    pieces: Vec<Piece>,
}

impl Taken {
    fn take(&mut self, part: Part, at: VirtAddr, pages: u64) {
        self.pieces.push(Piece { part, at, pages: PfnRange::new(self.next, pages) });
        self.next = self.next.plus(pages);
    }
}

/// The toolstack's way.
pub(super) fn of_toolstack(list_pages: u64, first: Pfn) -> Vec<Piece> {
    let mut taken = Taken { next: first, pieces: Vec::new() };
    taken.take(Part::List(Level::L1), INIT_P2M, list_pages);
    let [l1, l2, l3] = tables_for(list_pages);
    for (level, tables) in [(Level::L3, l3), (Level::L2, l2), (Level::L1, l1)] {
        let span = level.above().span() / PAGE_SIZE;
        (0..tables).for_each(|table| taken.take(Part::Table(level), at(table * span), 1));
    }
    taken.pieces
}

/// Xen's way.
///
/// # Errors
/// [`BuildError::NoMemory`] if fewer than three pages would be left at any step: Xen's guess at the tables to come.
pub(super) fn of_xen(list_pages: u64, first: Pfn, of: u64) -> Result<Vec<Piece>, BuildError> {
    const TABLES_TO_COME: u64 = 3;
    let mut taken = Taken { next: first, pieces: Vec::new() };
    let mut tables = BTreeSet::new();
    let mut page = 0;
    while page < list_pages {
        let left = list_pages - page;
        let needed = taken.next.raw() + left + TABLES_TO_COME;
        if needed > of {
            return Err(BuildError::NoMemory { needed });
        }
        let level = size_at(page, left);
        for table in [Level::L3, Level::L2, Level::L1].into_iter().filter(|table| *table >= level) {
            if tables.insert((table, page / (table.above().span() / PAGE_SIZE))) {
                taken.take(Part::Table(table), at(page), 1);
            }
        }
        let pages = if level == Level::L1 { left } else { level.span() / PAGE_SIZE };
        taken.take(Part::List(level), at(page), pages);
        page += pages;
    }
    Ok(taken.pieces)
}

/// The largest page that fits. What is left for small ones is less than 2 MiB, so one L1 table has room for it.
const fn size_at(page: u64, left: u64) -> Level {
    const LARGEST: u64 = Level::L3.span() / PAGE_SIZE;
    const LARGE: u64 = Level::L2.span() / PAGE_SIZE;
    if page.is_multiple_of(LARGEST) && left >= LARGEST {
        Level::L3
    } else if page.is_multiple_of(LARGE) && left >= LARGE {
        Level::L2
    } else {
        Level::L1
    }
}
