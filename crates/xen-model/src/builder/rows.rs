//! Where a builder puts what: arithmetic alone.

use alloc::vec::Vec;

use super::physmap::{self, Piece};
use super::table_count::{self, tables_for};
use super::{BuildError, Builder, Domain, Fault, P2mNote, RamdiskNote};
use xen::addr::{Pfn, PfnRange, pages_for};

/// The image is linked 16 MiB after the start of the mapping.
const IMAGE_PFN: Pfn = Pfn::new(0x1000);
/// Pages in the upper 2 GiB of address space.
const ADDRESSES: u64 = 0x8_0000;

/// The builder's layout; a row that does not exist is empty.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The image.
    pub image: PfnRange,
    /// The ramdisk, mapped or not.
    pub ramdisk: PfnRange,
    /// The P2M list in the initial mapping; empty if it has a mapping of its own.
    pub list: PfnRange,
    /// start_info.
    pub start_info: PfnRange,
    /// The xenstore ring.
    pub store: PfnRange,
    /// The console ring.
    pub console: PfnRange,
    /// The page tables of the initial mapping.
    pub tables: PfnRange,
    /// The boot stack; GRUB names an address and sets no page apart.
    pub stack: PfnRange,
    /// First page after the initial mapping.
    pub mapped_end: Pfn,
    /// The P2M list and the tables of its own mapping (`INIT_P2M`), by page number; empty without the note.
    pub physmap: Vec<Piece>,
    /// Pages that the builder has placed before those in `physmap`.
    pub placed: Pfn,
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

impl Domain {
    /// Lays the domain out.
    ///
    /// # Errors
    /// [`BuildError`] if it does not fit.
    pub fn rows(&self) -> Result<Rows, BuildError> {
        let ramdisk_pages = self.ramdisk.map_or(0, |ramdisk| pages_for(ramdisk.bytes()));
        let list_pages = pages_for(self.pages * 8) - u64::from(self.fault == Some(Fault::ListPageShort));
        let mut next = Next(IMAGE_PFN);
        let image = next.row(self.image.pages);
        let mut ramdisk = next.row(if self.ramdisk_is_mapped() { ramdisk_pages } else { 0 });
        let list = next.row(if self.list_is_mapped() { list_pages } else { 0 });
        let start_info = next.row(1);
        let [store, console] = self.rings(&mut next);
        let table_count::Initial { tables, end: mapped_end } = table_count::initial(self.builder, next.0);
        let tables = next.row(tables);
        let stack = next.row(if self.builder == Builder::Grub { 0 } else { 1 });
        if mapped_end.raw() >= ADDRESSES {
            return Err(BuildError::NoAddresses);
        }
        let mut next = Next(self.allocated(mapped_end, ramdisk.pages()));
        if !self.ramdisk_is_mapped() {
            ramdisk = next.row(ramdisk_pages);
        }
        let placed = next.0;
        self.check(placed)?;
        let physmap = self.physmap(list_pages, placed)?;
        let end = physmap.last().map_or(placed, |piece| piece.pages.end);
        self.check(end)?;
        self.check_grub(end)?;
        Ok(Rows {
            image,
            ramdisk,
            list,
            start_info,
            store,
            console,
            tables,
            stack,
            mapped_end,
            physmap,
            placed,
            end,
        })
    }

    /// Only GRUB has the console first.
    const fn rings(&self, next: &mut Next) -> [PfnRange; 2] {
        let pages = if matches!(self.builder, Builder::Xen) { 0 } else { 1 };
        let (first, second) = (next.row(pages), next.row(pages));
        if matches!(self.builder, Builder::Grub) { [second, first] } else { [first, second] }
    }

    /// The toolstack and GRUB go on where their mapping ends. Xen has allocated a power of two of pages for it, less
    /// those of a mapped ramdisk, which the boot loader had placed: pages after the mapping that nothing shows.
    const fn allocated(&self, mapped_end: Pfn, given: u64) -> Pfn {
        match self.builder {
            Builder::Toolstack | Builder::Grub => mapped_end,
            Builder::Xen | Builder::Shim => Pfn::new((mapped_end.raw() - given).next_power_of_two() + given),
        }
    }

    fn physmap(&self, list_pages: u64, first: Pfn) -> Result<Vec<Piece>, BuildError> {
        match self.builder {
            _ if self.list_is_mapped() => Ok(Vec::new()),
            Builder::Toolstack | Builder::Grub => Ok(physmap::of_toolstack(list_pages, first)),
            Builder::Xen | Builder::Shim => physmap::of_xen(list_pages, first, self.pages),
        }
    }

    fn check(&self, end: Pfn) -> Result<(), BuildError> {
        let needed = end.raw();
        let placed = PfnRange::between(Pfn::ZERO, end);
        let is_in_the_way = self.holes.iter().any(|hole| hole.overlaps(placed));
        if needed > self.pages || is_in_the_way { Err(BuildError::NoMemory { needed }) } else { Ok(()) }
    }

    /// What GRUB holds at the end of memory while it builds: list, start_info, tables that map everything, two rings;
    /// and a page of code after what it has built. It maps all of memory, so a hole anywhere stops it.
    fn check_grub(&self, end: Pfn) -> Result<(), BuildError> {
        let own = pages_for(self.pages * 8) + 2 + tables_for(self.pages + 4).iter().sum::<u64>() + 2;
        let needed = end.raw() + 1 + own;
        let is_too_much = needed > self.pages || !self.holes.is_empty();
        if self.builder == Builder::Grub && is_too_much {
            Err(BuildError::NoMemory { needed })
        } else {
            Ok(())
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
    /// Returns the list's pages, lowest address first.
    pub fn list_runs(&self) -> impl Iterator<Item = PfnRange> {
        let separate = self.physmap.iter().filter(|piece| piece.is_list()).map(|piece| piece.pages);
        core::iter::once(self.list).chain(separate).filter(|run| !run.is_empty())
    }

    /// Tells whether a builder put something there that a guest must keep.
    #[must_use]
    pub fn holds(&self, pfn: Pfn) -> bool {
        let rows =
            [self.image, self.ramdisk, self.start_info, self.store, self.console, self.tables, self.stack];
        let physmap = PfnRange::between(self.placed, self.end);
        rows.iter().chain([&self.list, &physmap]).any(|row| row.contains(pfn))
    }
}

#[cfg(test)]
mod tests {
    use super::super::physmap::Part;
    use super::*;
    use crate::{ImageShape, Ramdisk};
    use xen::addr::PAGE_SIZE;
    use xen::pte::Level;

    #[test]
    fn the_seeds_guest_is_laid_out_as_its_toolstack_log_says() {
        let image = ImageShape { pages: 0xe43, text: 100, rodata: 100 };
        let ramdisk = Some(Ramdisk::blank(0x1_0784 * PAGE_SIZE));
        let rows = Domain { image, ramdisk, ..Domain::guest(131_072) }.rows().unwrap();
        assert_eq!(rows.image, PfnRange::new(Pfn::new(0x1000), 0xe43));
        assert_eq!(rows.list, PfnRange::new(Pfn::new(0x125c7), 0x1_0000));
        assert_eq!(rows.start_info.start, Pfn::new(0x225c7));
        assert_eq!(rows.tables, PfnRange::new(Pfn::new(0x225ca), 0x117));
        assert_eq!(rows.mapped_end.raw() % 0x400, 0);
    }

    /// Xen wants room for three tables, also for a list of one page of 2 MiB, which needs two.
    #[test]
    fn xen_wants_three_pages_for_the_tables_of_a_list_with_a_mapping_of_its_own() {
        let notes = super::super::Notes::BOTH;
        let with_free = |free: u64| {
            let pages = 0x4_0000;
            let ramdisk = Some(Ramdisk::blank((pages - 0x2000 - 512 - free) * PAGE_SIZE));
            Domain { pages, notes, ramdisk, builder: Builder::Xen, ..Domain::guest(0) }.rows()
        };
        assert_eq!(with_free(3).unwrap().end.raw(), 0x4_0000 - 1);
        assert_eq!(with_free(2).unwrap_err(), BuildError::NoMemory { needed: 0x4_0000 + 1 });
    }

    #[test]
    fn a_list_of_512_gib_is_one_page_of_1_gib_to_xen() {
        let notes = super::super::Notes::BOTH;
        let domain = Domain { notes, builder: Builder::Xen, ..Domain::guest(512 * 1024 + 1) };
        let rows = domain.rows().unwrap();
        let exact = Domain { pages: 512 << 18, ..domain.clone() }.rows().unwrap();
        assert_eq!(exact.physmap.len(), 2);
        let parts: Vec<_> = rows.physmap.iter().map(|piece| (piece.part, piece.pages)).collect();
        let pages = |first: u64, pages: u64| PfnRange::new(rows.placed.plus(first), pages);
        let expected = [
            (Part::Table(Level::L3), pages(0, 1)),
            (Part::List(Level::L3), pages(1, 0x4_0000)),
            (Part::Table(Level::L2), pages(0x4_0001, 1)),
            (Part::Table(Level::L1), pages(0x4_0002, 1)),
            (Part::List(Level::L1), pages(0x4_0003, 1)),
        ];
        assert_eq!(parts, expected);
    }
}
