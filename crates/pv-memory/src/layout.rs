//! Stage 2 of 9: from checked fields to named rows, in the toolstack's own names and order.
//!
//! The builder appends kernel, ramdisk, P2M list, start_info, rings, page tables and boot stack one behind the
//! other, page n of the domain at `HIGH + n * 4096`. Printing the rows in the form of `xl -vvv create` lets a
//! person and a program compare the two views. Takes [`BootInfo`] from `xen::start_info`; next is `walk`.
//!
//! Sources: xen tools/libs/guest/xg_dom_core.c, xg_dom_x86.c (order and names, facts only).

use core::fmt;

use xen::List;
use xen::addr::{Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange, pages_for};
use xen::area;
use xen::start_info::{BootInfo, Ramdisk, RamdiskPlace, Role};

/// What a row holds, in the builder's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The image, bss included.
    Kernel,
    /// The ramdisk.
    Ramdisk,
    /// The P2M list.
    Phys2mach,
    /// start_info.
    StartInfo,
    /// The xenstore ring.
    Xenstore,
    /// The console ring.
    Console,
    /// Page tables, all levels.
    PageTables,
    /// One page of stack.
    BootStack,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kernel => "kernel",
            Self::Ramdisk => "ramdisk",
            Self::Phys2mach => "phys2mach",
            Self::StartInfo => "start info",
            Self::Xenstore => "xenstore",
            Self::Console => "console",
            Self::PageTables => "page tables",
            Self::BootStack => "boot stack",
        })
    }
}

/// One element of the builder's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub name: Name,
    /// Which pages of the domain.
    pub pages: PfnRange,
}

impl Row {
    /// Returns the row's addresses in the high mapping.
    #[must_use]
    pub fn high(&self) -> VirtRange {
        VirtRange::new(area::high(self.pages.start), self.pages.pages() * PAGE_SIZE)
    }

    const fn is_single_page(&self) -> bool {
        matches!(self.name, Name::StartInfo | Name::Xenstore | Name::Console | Name::BootStack)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pfn, pages) = (self.pages.start.raw(), self.pages.pages());
        if self.is_single_page() {
            write!(f, "{:<13}: {:#018x}  (pfn {pfn:#x})", self.name, self.high().start)
        } else {
            write!(f, "{:<13}: {}  (pfn {pfn:#x} + {pages:#x} pages)", self.name, self.high())
        }
    }
}

/// Two rows that cannot both be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// A row starts before the one in front of it ends.
    OutOfOrder {
        /// The row in front.
        before: Row,
        /// The row behind.
        row: Row,
    },
    /// A row ends behind the domain's last page.
    BeyondMemory {
        /// The row.
        row: Row,
        /// Pages of the domain.
        nr_pages: u64,
    },
}

impl core::error::Error for LayoutError {}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { before, row } => {
                write!(
                    f,
                    "{} starts inside {}: expected {} or more, found {}",
                    row.name, before.name, before.pages.end, row.pages
                )
            }
            Self::BeyondMemory { row, nr_pages } => write!(
                f,
                "{} needs {}, but the domain has {nr_pages:#x} pages: give it {} MiB or more",
                row.name,
                row.pages,
                row.pages.end.raw().div_ceil(256)
            ),
        }
    }
}

/// The builder's layout: disjoint rows, lowest first.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    rows: [Option<Row>; 8],
    /// The ramdisk's bytes, wherever they are.
    pub ramdisk: Option<Ramdisk>,
    /// Pages of the domain.
    pub nr_pages: u64,
    /// The frame of shared_info, which is Xen's.
    pub shared_info: Mfn,
}

impl Layout {
    /// Lays the fields of start_info out as rows.
    ///
    /// # Errors
    /// [`LayoutError`] if rows overlap, are out of order or do not fit the domain.
    pub fn plan(info: &BootInfo) -> Result<Self, LayoutError> {
        let layout = Self {
            rows: rows(info),
            ramdisk: info.ramdisk,
            nr_pages: info.nr_pages,
            shared_info: info.shared_info,
        };
        layout.check()?;
        Ok(layout)
    }

    fn check(&self) -> Result<(), LayoutError> {
        let mut before: Option<Row> = None;
        for row in self.rows() {
            if let Some(before) = before
                && row.pages.start < before.pages.end
            {
                return Err(LayoutError::OutOfOrder { before, row });
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

    /// Returns the pages of a row; empty if there is no such row.
    #[must_use]
    pub fn pages(&self, name: Name) -> PfnRange {
        self.rows().find(|row| row.name == name).map_or(PfnRange::new(Pfn::ZERO, 0), |row| row.pages)
    }

    /// Returns a row's addresses in the high mapping.
    #[must_use]
    pub fn high(&self, name: Name) -> VirtRange {
        Row { name, pages: self.pages(name) }.high()
    }

    /// Returns the P2M list where the builder mapped it.
    #[must_use]
    pub fn list(&self) -> List {
        List::new(self.high(Name::Phys2mach).start, self.nr_pages)
    }

    /// Returns the address behind the last row, the builder's `virt_alloc_end`.
    #[must_use]
    pub fn alloc_end(&self) -> Pfn {
        self.pages(Name::BootStack).end
    }

    /// Returns the pages that belong to no row, within `0 .. alloc_end`, and then all others of the domain.
    pub fn free(&self) -> impl Iterator<Item = PfnRange> {
        let mut at = Pfn::ZERO;
        let end = Pfn::new(self.nr_pages);
        let gaps = self.rows().map(move |row| {
            let gap = PfnRange::between(at, row.pages.start);
            at = row.pages.end;
            gap
        });
        gaps.chain(core::iter::once(PfnRange::between(self.alloc_end(), end))).filter(|gap| !gap.is_empty())
    }
}

fn rows(info: &BootInfo) -> [Option<Row>; 8] {
    let row = |name, start: VirtAddr, bytes| Row {
        name,
        pages: PfnRange::new(area::high_pfn(start), pages_for(bytes)),
    };
    let page = |name, pfn| Row { name, pages: PfnRange::new(pfn, 1) };
    let ramdisk = info.ramdisk.and_then(|ramdisk| match ramdisk.place {
        RamdiskPlace::Mapped(at) => Some(row(Name::Ramdisk, at, ramdisk.bytes)),
        RamdiskPlace::Unmapped(_) => None,
    });
    let tables = row(Name::PageTables, info.page_tables.start, info.page_tables.bytes);
    let mut rows = [
        Some(row(Name::Kernel, info.facts.image.start, info.facts.image.bytes)),
        ramdisk,
        Some(row(Name::Phys2mach, info.mfn_list.start, info.mfn_list.bytes)),
        Some(row(Name::StartInfo, info.facts.start_info, PAGE_SIZE)),
        info.store.map(|pfn| page(Name::Xenstore, pfn)),
        info.console.map(|pfn| page(Name::Console, pfn)),
        Some(tables),
        Some(page(Name::BootStack, tables.pages.end)),
    ];
    if info.role == Role::InitialDomain {
        rows[4] = None;
        rows[5] = None;
    }
    rows
}
