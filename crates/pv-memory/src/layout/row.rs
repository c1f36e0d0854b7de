//! A row of the builder's layout: which pages, what for, where they are mapped; and how rows can contradict each other.
//!
//! Names and text are those of the toolstack's log, so that the two can be compared line by line.
//!
//! Sources: tools/libs/guest/xg_dom_core.c, xg_dom_x86.c (names, facts only).

use core::fmt;

use xen::addr::{PAGE_SIZE, PfnRange, VirtRange};
use xen::area;

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The image, bss included.
    Kernel,
    /// The ramdisk.
    Ramdisk,
    /// The P2M list, with its page tables if it has a mapping of its own.
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

/// Where the builder mapped a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In the high mapping, page n at `HIGH + n * 4096`.
    High,
    /// At other addresses (`INIT_P2M`).
    At(VirtRange),
    /// Nowhere (`MOD_START_PFN`).
    Nowhere,
}

/// One element of the builder's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub name: Name,
    /// Which pages of the domain.
    pub pages: PfnRange,
    /// Which addresses.
    pub shown: Shown,
}

impl Row {
    pub(super) const fn high(name: Name, pages: PfnRange) -> Self {
        Self { name, pages, shown: Shown::High }
    }

    /// Returns the row's addresses; `None` if nothing maps it.
    #[must_use]
    pub fn addresses(&self) -> Option<VirtRange> {
        match self.shown {
            Shown::High => Some(VirtRange::new(area::high(self.pages.start), self.pages.pages() * PAGE_SIZE)),
            Shown::At(range) => Some(range),
            Shown::Nowhere => None,
        }
    }

    const fn is_single_page(&self) -> bool {
        matches!(self.name, Name::StartInfo | Name::Xenstore | Name::Console | Name::BootStack)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pfn, pages) = (self.pages.start.raw(), self.pages.pages());
        match self.addresses() {
            Some(range) if self.is_single_page() => {
                write!(f, "{:<13}: {:#018x}  (pfn {pfn:#x})", self.name, range.start)
            }
            Some(range) => write!(f, "{:<13}: {range}  (pfn {pfn:#x} + {pages:#x} pages)", self.name),
            None => write!(f, "{:<13}: not mapped  (pfn {pfn:#x} + {pages:#x} pages)", self.name),
        }
    }
}

/// Rows that cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// Two rows share pages.
    Overlap {
        /// The one that starts first.
        first: Row,
        /// The other.
        second: Row,
    },
    /// A row ends after the domain's last page.
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
            Self::Overlap { first, second } => write!(
                f,
                "{} starts inside {}: expected pages of its own, found {}, and {} ends at {}",
                second.name, first.name, second.pages, first.name, first.pages.end
            ),
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
