//! Where a builder puts what: arithmetic alone.

use super::{BuildError, Domain, P2mNote, RamdiskNote};
use crate::addr::{ENTRIES, Pfn, PfnRange, pages_for};
use crate::xen::start_info::Role;

/// The image is linked 16 MiB behind the start of the mapping.
const IMAGE_PFN: Pfn = Pfn::new(0x1000);
/// The initial mapping ends on a multiple of 4 MiB.
const ALIGN: u64 = 0x400;
/// 512 KiB at least lie behind the stack.
const PADDING: u64 = 128;
/// Pages in the upper 2 GiB of address space.
const ADDRESSES: u64 = 0x8_0000;

/// The builder's layout; a row that does not exist is empty.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The image.
    pub image: PfnRange,
    /// The ramdisk, mapped or not.
    pub ramdisk: PfnRange,
    /// The P2M list, mapped high or by `INIT_P2M`.
    pub list: PfnRange,
    /// start_info.
    pub start_info: PfnRange,
    /// The xenstore ring.
    pub store: PfnRange,
    /// The console ring.
    pub console: PfnRange,
    /// The page tables of the initial mapping.
    pub tables: PfnRange,
    /// The boot stack.
    pub stack: PfnRange,
    /// First page behind the initial mapping.
    pub mapped_end: Pfn,
    /// The page tables of an `INIT_P2M` list.
    pub list_tables: PfnRange,
    /// First page that no builder touches.
    pub end: Pfn,
}

/// Hands out adjacent rows.
struct Next(Pfn);

impl Next {
    const fn row(&mut self, pages: u64) -> PfnRange {
        let row = PfnRange::new(self.0, pages);
        self.0 = row.end;
        row
    }
}

/// Tables of levels 1 to 3 below one L4 slot that map `pages` pages from an aligned address on.
pub(super) const fn tables_for(pages: u64) -> [u64; 3] {
    let l1 = pages.div_ceil(ENTRIES);
    [l1, l1.div_ceil(ENTRIES), l1.div_ceil(ENTRIES * ENTRIES)]
}

impl Domain {
    /// Lays the domain out.
    ///
    /// # Errors
    /// [`BuildError`] if it does not fit.
    pub fn rows(&self) -> Result<Rows, BuildError> {
        let ramdisk_pages = self.ramdisk.map_or(0, |ramdisk| pages_for(ramdisk.bytes()));
        let list_pages = pages_for(self.pages * 8);
        let rings = if self.role == Role::Guest { 1 } else { 0 };
        let mut next = Next(IMAGE_PFN);
        let image = next.row(self.image.pages);
        let mut ramdisk = next.row(if self.ramdisk_is_mapped() { ramdisk_pages } else { 0 });
        let mut list = next.row(if self.list_is_mapped() { list_pages } else { 0 });
        let start_info = next.row(1);
        let store = next.row(rings);
        let console = next.row(rings);
        let (table_pages, mapped_end) = self.table_pages(next.0);
        let tables = next.row(table_pages);
        let stack = next.row(1);
        if mapped_end.raw() >= ADDRESSES {
            return Err(BuildError::NoAddresses);
        }
        let mut next = Next(mapped_end);
        if !self.ramdisk_is_mapped() {
            ramdisk = next.row(ramdisk_pages);
        }
        let mut list_tables = next.row(0);
        if !self.list_is_mapped() {
            list = next.row(list_pages);
            list_tables = next.row(tables_for(list_pages).iter().sum());
        }
        let end = next.0;
        let rows = Rows {
            image,
            ramdisk,
            list,
            start_info,
            store,
            console,
            tables,
            stack,
            mapped_end,
            list_tables,
            end,
        };
        self.check(&rows)?;
        Ok(rows)
    }

    fn check(&self, rows: &Rows) -> Result<(), BuildError> {
        let needed = rows.end.raw();
        let placed = PfnRange::between(Pfn::ZERO, rows.end);
        let is_in_the_way = self.holes.iter().any(|hole| hole.overlaps(placed));
        if needed > self.pages || is_in_the_way { Err(BuildError::NoMemory { needed }) } else { Ok(()) }
    }

    /// Mirrors the loop in `dom0_construct`, which `alloc_pgtables_pv` has in another form: the tables map
    /// themselves, so their number is found by trying.
    fn table_pages(&self, start: Pfn) -> (u64, Pfn) {
        let mut tables = 4;
        loop {
            let stack_end = start.raw() + tables + 1;
            let mut end = stack_end.next_multiple_of(ALIGN);
            if end - stack_end < PADDING {
                end += ALIGN;
            }
            let needed = 1 + tables_for(end).iter().sum::<u64>();
            if needed <= tables {
                return (needed, Pfn::new(end));
            }
            tables = needed;
        }
    }

    /// Tells whether the ramdisk is part of the initial mapping.
    pub(super) fn ramdisk_is_mapped(&self) -> bool {
        self.notes.ramdisk == RamdiskNote::None
    }

    /// Tells whether the list is part of the initial mapping.
    pub(super) fn list_is_mapped(&self) -> bool {
        self.notes.p2m == P2mNote::None
    }
}

impl Rows {
    /// Tells whether a builder put something there that a guest must keep.
    #[must_use]
    pub fn holds(&self, pfn: Pfn) -> bool {
        [
            self.image,
            self.ramdisk,
            self.list,
            self.start_info,
            self.store,
            self.console,
            self.tables,
            self.stack,
        ]
        .iter()
        .any(|row| row.contains(pfn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PAGE_SIZE;
    use crate::fake::{ImageShape, Ramdisk};

    #[test]
    fn the_seeds_guest_is_laid_out_as_its_toolstack_log_says() {
        let image = ImageShape { pages: 0xe43, text: 100, rodata: 100 };
        let ramdisk = Some(Ramdisk::blank(0x1_0784 * PAGE_SIZE));
        let rows = Domain { image, ramdisk, ..Domain::guest(131_072) }.rows().unwrap();
        assert_eq!(rows.image, PfnRange::new(Pfn::new(0x1000), 0xe43));
        assert_eq!(rows.list, PfnRange::new(Pfn::new(0x125c7), 0x1_0000));
        assert_eq!(rows.start_info.start, Pfn::new(0x225c7));
        assert_eq!(rows.tables, PfnRange::new(Pfn::new(0x225ca), 0x117));
        assert_eq!(rows.mapped_end.raw() % ALIGN, 0);
    }

    #[test]
    fn the_initial_domain_has_no_rings_and_a_list_of_its_own_is_behind_an_unmapped_ramdisk() {
        let dom0 = Domain { role: Role::InitialDomain, ..Domain::guest(256) };
        let rows = dom0.rows().unwrap();
        assert_eq!(rows.tables.start, rows.start_info.end);
        let notes = super::super::Notes { p2m: P2mNote::InitP2m, ramdisk: RamdiskNote::ModStartPfn };
        let rows = Domain { notes, ramdisk: Some(Ramdisk::blank(5000)), ..dom0 }.rows().unwrap();
        assert_eq!(rows.ramdisk, PfnRange::new(rows.mapped_end, 2));
        assert_eq!(rows.list.start, rows.ramdisk.end);
        assert_eq!(rows.list_tables, PfnRange::new(rows.list.end, 3));
    }
}
