//! The domain builders' arithmetic: where each row goes, from sizes and notes alone.
//!
//! Written from what the builders do, and on purpose without the model's copy of it (`crates/xen-model`): two
//! independent implementations that agree are worth more than one. All builders hand out pages one after the other, so
//! that page `n` would be at `VIRT_BASE + n * 4096`. They differ in the rings, which only a guest has, in the stack,
//! and in where they put what they do not map there: the toolstack and GRUB directly after the initial mapping, Xen,
//! for its initial domain and in pv-shim, after the power of two of pages that it allocated for it.
//!
//! Sources: tools/libs/guest/xg_dom_core.c (`xc_dom_build_image`), xg_dom_x86.c (`alloc_magic_pages_pv`,
//! `alloc_p2m_list_x86_64`); xen/arch/x86/pv/dom0_build.c (`dom0_construct_pv`); GRUB's grub-core/loader/i386/xen.c.
//! `tables` finds the page tables, `builder` names the builders.

pub use super::builder::Builder;
pub use super::refusal::Refusal;

use super::tables::{self, Mapping};
use crate::scene::{HIGH, Kind, PAGE, TableCounts};
use std::slice;

/// What a builder reads from the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// `VIRT_BASE`: the address of page 0.
    pub base: u64,
    /// First address of the image.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// `INIT_P2M`: the address that the image wants the list at.
    pub list_at: Option<u64>,
    pub ramdisk: RamdiskPlace,
}

/// `MOD_START_PFN`: whether the ramdisk is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RamdiskPlace {
    /// Without the note: after the image.
    Mapped,
    /// With it: in memory only; start_info has its page.
    Unmapped,
}

impl Kernel {
    /// An image of so many pages at 16 MiB of the high mapping, without notes that move anything.
    #[must_use]
    pub const fn of_pages(pages: u64) -> Self {
        let start = HIGH + (16 << 20);
        let end = start.saturating_add(pages.saturating_mul(PAGE));
        Self { base: HIGH, start, end, list_at: None, ramdisk: RamdiskPlace::Mapped }
    }
}

/// A domain to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    pub builder: Builder,
    /// Pages of memory.
    pub pages: u64,
    pub kernel: Kernel,
    /// Bytes of the ramdisk, if there is one.
    pub ramdisk: Option<u64>,
}

/// One row as a builder places it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub kind: Kind,
    pub pfn: u64,
    pub pages: u64,
    /// Its address, unless it is not mapped.
    pub address: Option<u64>,
}

/// The whole layout, in the builder's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub rows: Vec<Placed>,
    /// First address after the boot stack, or after the page tables if no page is set apart for a stack.
    pub alloc_end: u64,
    /// First address after the initial mapping.
    pub mapped_end: u64,
    /// Page tables of the initial mapping, L1 first.
    pub tables: TableCounts,
    /// Page tables that map a list of its own place, if there is one.
    pub list_tables: Option<TableCounts>,
}

impl Domain {
    /// Lays the domain out as its builder would.
    ///
    /// # Errors
    /// [`Refusal`] where the builder would refuse.
    pub fn plan(&self) -> Result<Plan, Refusal> {
        let mut next = Next::from(self.kernel.base);
        let list_at = self.list_address();
        next.skip_to(self.kernel.start, &self.kernel)?;
        next.mapped(Kind::Kernel, (self.kernel.end.saturating_sub(self.kernel.start)).div_ceil(PAGE))?;
        if let (Some(bytes), RamdiskPlace::Mapped) = (self.ramdisk, self.kernel.ramdisk) {
            next.mapped(Kind::Ramdisk, bytes.div_ceil(PAGE))?;
        }
        if list_at.is_none() {
            next.mapped(Kind::P2m, self.list_pages())?;
        }
        for kind in self.single_pages() {
            next.mapped(*kind, 1)?;
        }
        let Mapping { end, counts } =
            tables::initial_mapping(self.builder, self.kernel.base, next.address()?)?;
        next.mapped(Kind::PageTables, counts.0.iter().sum())?;
        if self.builder != Builder::Grub {
            next.mapped(Kind::BootStack, 1)?;
        }
        let alloc_end = next.address()?;
        let mut plan =
            Plan { rows: next.rows, alloc_end, mapped_end: end, tables: counts, list_tables: None };
        self.check_mapping(&plan)?;
        let mut pfn = self.first_unmapped(&plan);
        if let (Some(bytes), RamdiskPlace::Unmapped) = (self.ramdisk, self.kernel.ramdisk) {
            pfn = plan.unmapped(Kind::Ramdisk, pfn, bytes.div_ceil(PAGE), None);
        }
        if let Some(at) = list_at {
            if !tables::ends_in_time(at, self.list_pages()) {
                return Err(Refusal::NoAddresses);
            }
            pfn = plan.unmapped(Kind::P2m, pfn, self.list_pages(), Some(at));
            plan.list_tables = self.list_tables(at, end);
        }
        let tables_of_list = plan.list_tables.map_or(0, |TableCounts(counts)| counts.iter().sum());
        self.check_pages(pfn.saturating_add(tables_of_list).saturating_add(self.held_by_builder()))?;
        Ok(plan)
    }

    /// Pages of the list: eight bytes for each page of the domain.
    #[must_use]
    pub const fn list_pages(&self) -> u64 {
        self.pages.div_ceil(PAGE / 8)
    }

    /// The toolstack ignores an `INIT_P2M` that is not on a page boundary or lies at or above the base.
    #[must_use]
    pub fn list_address(&self) -> Option<u64> {
        let address = self.kernel.list_at?;
        let honoured = address % PAGE == 0 && address < self.kernel.base;
        (self.builder != Builder::Toolstack || honoured).then_some(address)
    }

    /// Xen maps such a list by large pages where it can: only the tables of the others are known beforehand.
    fn list_tables(&self, at: u64, mapped_end: u64) -> Option<TableCounts> {
        let high = self.kernel.base..mapped_end;
        match self.builder {
            Builder::Toolstack => Some(tables::of_list(at, self.list_pages(), slice::from_ref(&high))),
            Builder::Grub => {
                let page = tables::grubs_own_page(self.kernel.base, mapped_end);
                Some(tables::of_list(at, self.list_pages(), &[high, page]))
            }
            Builder::Xen | Builder::Shim => None,
        }
    }

    const fn single_pages(&self) -> &'static [Kind] {
        match self.builder {
            Builder::Toolstack | Builder::Shim => &[Kind::StartInfo, Kind::Xenstore, Kind::Console],
            Builder::Xen => &[Kind::StartInfo],
            Builder::Grub => &[Kind::StartInfo, Kind::Console, Kind::Xenstore],
        }
    }

    /// Pages that the builder itself takes in the domain while it builds. GRUB has its own list, start_info, page
    /// tables for all of memory and two rings at the end of memory, and a page of code after what it has built.
    fn held_by_builder(&self) -> u64 {
        match self.builder {
            Builder::Toolstack | Builder::Xen | Builder::Shim => 0,
            Builder::Grub => 1 + self.list_pages() + 3 + tables::of_grub_itself(self.pages),
        }
    }

    /// The toolstack and GRUB go on after their mapping; Xen has allocated a power of two of pages for it, less those
    /// of a mapped ramdisk, which it already has.
    fn first_unmapped(&self, plan: &Plan) -> u64 {
        let mapped = plan.mapped_end.wrapping_sub(self.kernel.base) / PAGE;
        match self.builder {
            Builder::Toolstack | Builder::Grub => mapped,
            Builder::Xen | Builder::Shim => {
                let given = self.given_pages();
                mapped.saturating_sub(given).next_power_of_two() + given
            }
        }
    }

    /// Pages of a mapped ramdisk, which Xen takes from the boot loader instead of allocating them.
    fn given_pages(&self) -> u64 {
        let mapped = self.kernel.ramdisk == RamdiskPlace::Mapped;
        self.ramdisk.filter(|_| mapped).map_or(0, |bytes| bytes.div_ceil(PAGE))
    }

    fn check_mapping(&self, plan: &Plan) -> Result<(), Refusal> {
        self.check_pages(self.first_unmapped(plan))
    }

    const fn check_pages(&self, needed: u64) -> Result<(), Refusal> {
        if needed > self.pages { Err(Refusal::NoMemory { needed, found: self.pages }) } else { Ok(()) }
    }
}

impl Plan {
    /// Adds a row outside the initial mapping, and returns the first page after it.
    fn unmapped(&mut self, kind: Kind, pfn: u64, pages: u64, address: Option<u64>) -> u64 {
        self.rows.push(Placed { kind, pfn, pages, address });
        pfn.saturating_add(pages)
    }
}

/// Hands out pages one after the other.
struct Next {
    base: u64,
    pfn: u64,
    rows: Vec<Placed>,
}

impl Next {
    const fn from(base: u64) -> Self {
        Self { base, pfn: 0, rows: Vec::new() }
    }

    fn address(&self) -> Result<u64, Refusal> {
        let bytes = self.pfn.checked_mul(PAGE).ok_or(Refusal::NoAddresses)?;
        self.base.checked_add(bytes).ok_or(Refusal::NoAddresses)
    }

    fn skip_to(&mut self, start: u64, kernel: &Kernel) -> Result<(), Refusal> {
        let Kernel { base, end, .. } = *kernel;
        let distance = start.checked_sub(base).filter(|distance| distance % PAGE == 0);
        let distance = distance.filter(|_| end >= start && base % PAGE == 0);
        self.pfn = distance.ok_or(Refusal::BadImage { base, start, end })? / PAGE;
        Ok(())
    }

    fn mapped(&mut self, kind: Kind, pages: u64) -> Result<(), Refusal> {
        let address = self.address()?;
        self.rows.push(Placed { kind, pfn: self.pfn, pages, address: Some(address) });
        self.pfn = self.pfn.checked_add(pages).ok_or(Refusal::NoAddresses)?;
        self.address().map(|_| ())
    }
}

#[cfg(test)]
#[path = "domain_tests.rs"]
mod tests;
