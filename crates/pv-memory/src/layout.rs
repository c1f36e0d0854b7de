//! Stage 2 of 9: from checked fields to named rows, in the toolstack's own names.
//!
//! A builder places kernel, ramdisk, P2M list, start_info, rings, page tables and boot stack in the domain's memory.
//! Xen's header gives an order, which builders keep only in part: GRUB leaves the rings where the toolstack put them,
//! and ELF notes in the image move list and ramdisk out of the high mapping. So rows are sorted by page, and only what
//! later stages rely on is required: no page has two uses, and each belongs to the domain. The rows are printed in the
//! form of `xl -vvv create`, so that people and programs can compare the two views. Takes [`BootInfo`] from
//! `xen::start_info`; next is `walk`.
//!
//! Sources: xen/include/public/xen.h, "Start-of-day memory layout"; tools/libs/guest/xg_dom_core.c, xg_dom_x86.c
//! (names), grub-core/loader/i386/xen.c (facts only).

mod row;

pub use row::{LayoutError, Name, Row, Shown};
use xen::List;
use xen::addr::{Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange, pages_for};
use xen::area;
use xen::start_info::{BootInfo, ListPlace, Ramdisk, RamdiskPlace};

/// The builder's layout: disjoint rows, lowest first.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    rows: [Option<Row>; 8],
    /// The ramdisk's bytes, wherever they are.
    pub ramdisk: Option<Ramdisk>,
    /// Pages of the domain.
    pub nr_pages: u64,
    /// The frame of shared_info, which Xen owns.
    pub shared_info: Mfn,
    /// The addresses of the P2M list.
    pub mfn_list: VirtRange,
}

/// The page of the xenstore ring: a row of the layout, which nobody takes or frees.
#[derive(Clone, Copy, Debug)]
pub struct StoreRing(Pfn);

impl StoreRing {
    pub(crate) const fn page(self) -> Pfn {
        self.0
    }
}

impl Layout {
    /// Lays the fields of start_info out as rows.
    ///
    /// # Errors
    /// [`LayoutError`] if rows overlap or do not fit the domain.
    pub fn plan(info: &BootInfo) -> Result<Self, LayoutError> {
        let layout = Self {
            rows: rows(info),
            ramdisk: info.ramdisk,
            nr_pages: info.nr_pages,
            shared_info: info.shared_info,
            mfn_list: info.mfn_list,
        };
        layout.check()?;
        Ok(layout)
    }

    fn check(&self) -> Result<(), LayoutError> {
        let mut before: Option<Row> = None;
        for row in self.rows() {
            if let Some(first) = before
                && row.pages.start < first.pages.end
            {
                return Err(LayoutError::Overlap { first, second: row });
            }
            if row.pages.end.raw() > self.nr_pages {
                return Err(LayoutError::BeyondMemory { row, nr_pages: self.nr_pages });
            }
            before = Some(row);
        }
        Ok(())
    }

    /// Iterates over the rows, lowest first.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.rows.into_iter().flatten()
    }

    /// Returns a row.
    #[must_use]
    pub fn row(&self, name: Name) -> Option<Row> {
        self.rows().find(|row| row.name == name)
    }

    /// Returns the pages of a row; empty if there is no such row.
    #[must_use]
    pub fn pages(&self, name: Name) -> PfnRange {
        self.row(name).map_or(PfnRange::new(Pfn::ZERO, 0), |row| row.pages)
    }

    /// Returns the page of the xenstore ring.
    #[must_use]
    pub fn store_ring(&self) -> Option<StoreRing> {
        self.row(Name::Xenstore).map(|row| StoreRing(row.pages.start))
    }

    /// Tells whether the list has a mapping of its own, whose page tables lie in the same row.
    #[must_use]
    pub fn list_has_own_mapping(&self) -> bool {
        self.row(Name::Phys2mach).is_some_and(|row| row.shown != Shown::High)
    }

    /// Returns the P2M list where the builder mapped it.
    #[must_use]
    pub const fn list(&self) -> List {
        List::new(self.mfn_list.start, self.nr_pages)
    }

    /// Returns the page after the last row of the high mapping, the builder's `virt_alloc_end`.
    #[must_use]
    pub fn alloc_end(&self) -> Pfn {
        let shown = self.rows().filter(|row| row.shown == Shown::High);
        shown.last().map_or(Pfn::ZERO, |row| row.pages.end)
    }

    /// Returns the pages of the domain that belong to no row, lowest first.
    pub fn free(&self) -> impl Iterator<Item = PfnRange> {
        let mut at = Pfn::ZERO;
        let end = Pfn::new(self.nr_pages);
        let gap = move |row: PfnRange| {
            let gap = PfnRange::between(at, row.start);
            at = row.end;
            gap
        };
        let rows = self.rows().map(|row| row.pages);
        rows.chain(core::iter::once(PfnRange::new(end, 0))).map(gap).filter(|gap| !gap.is_empty())
    }
}

fn rows(info: &BootInfo) -> [Option<Row>; 8] {
    let high = |name, start: VirtAddr, bytes| {
        Row::high(name, PfnRange::new(area::high_pfn(start), pages_for(bytes)))
    };
    let page = |name, pfn| Row::high(name, PfnRange::new(pfn, 1));
    let tables = high(Name::PageTables, info.page_tables.start, info.page_tables.bytes);
    let mut rows = [
        Some(high(Name::Kernel, info.facts.image.start, info.facts.image.bytes)),
        info.ramdisk.map(ramdisk),
        Some(match info.list_place {
            ListPlace::High => high(Name::Phys2mach, info.mfn_list.start, info.mfn_list.bytes),
            ListPlace::Own(pages) => {
                Row { name: Name::Phys2mach, pages, shown: Shown::At(whole_pages(info.mfn_list)) }
            }
        }),
        Some(high(Name::StartInfo, info.facts.start_info, PAGE_SIZE)),
        info.store.map(|pfn| page(Name::Xenstore, pfn)),
        info.console.map(|pfn| page(Name::Console, pfn)),
        Some(tables),
        boot_stack(info, tables).map(|pfn| page(Name::BootStack, pfn)),
    ];
    sort(&mut rows);
    rows
}

/// The page after the page tables, if the builder put the stack there as Xen's header says. GRUB's stack is somewhere
/// in free memory, perhaps not even mapped; it is not used after the entry.
fn boot_stack(info: &BootInfo, tables: Row) -> Option<Pfn> {
    let after = tables.pages.end;
    (info.facts.boot_stack_end == area::high(after.plus(1))).then_some(after)
}

/// Insertion sort: the rows are few and nearly in order, and the library's sort is more code than this whole file.
fn sort(rows: &mut [Option<Row>]) {
    let first = |row: &Option<Row>| row.map_or(Pfn::new(u64::MAX), |row| row.pages.start);
    for end in 1..rows.len() {
        let mut at = end;
        while at > 0 && first(&rows[at]) < first(&rows[at - 1]) {
            rows.swap(at, at - 1);
            at -= 1;
        }
    }
}

fn ramdisk(ramdisk: Ramdisk) -> Row {
    let pages = pages_for(ramdisk.bytes);
    match ramdisk.place {
        RamdiskPlace::Mapped(at) => Row::high(Name::Ramdisk, PfnRange::new(area::high_pfn(at), pages)),
        RamdiskPlace::Unmapped(pfn) => {
            Row { name: Name::Ramdisk, pages: PfnRange::new(pfn, pages), shown: Shown::Nowhere }
        }
    }
}

const fn whole_pages(range: VirtRange) -> VirtRange {
    VirtRange::new(range.start, pages_for(range.bytes) * PAGE_SIZE)
}
