//! The walk of a P2M list's own page tables, level by level.
//!
//! All tables of one level are mapped read-only in the direct map by one hypercall, and lead to those of the next; so
//! the number of hypercalls does not grow with the list. Each frame found must be a page of the row according to both
//! M2P and the list itself, no page may have two uses, and in the end none may be left over.
//!
//! Sources: tools/libs/guest/xg_dom_x86.c (`alloc_p2m_list_x86_64`), xen/arch/x86/pv/dom0_build.c
//! (`setup_pv_physmap`), facts only.

use alloc::vec::Vec;

use super::error::ListError;
use super::pieces::{BuilderList, OwnMapping, PageSize, Piece};
use crate::direct_map;
use crate::error::MmError;
use crate::frames::Frames;
use crate::listed::Listed;
use crate::ranges::Ranges;
use crate::tables::{Tables, l4_slots};
use crate::walk::Counts;
use crate::window::ShownPage;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use xen::pte::{Level, Pte};
use xen::{Hypervisor, List, Row};

/// Tables of the list's mapping whose pages follow each other, and what they map, too. A list for terabytes has
/// thousands of tables, in a few such runs.
#[derive(Clone, Copy)]
struct Found {
    pages: PfnRange,
    /// The first address that the first of them maps.
    base: VirtAddr,
}

impl Found {
    /// Each table with the first address that it maps.
    fn each(self, level: Level) -> impl Iterator<Item = (Pfn, VirtAddr)> {
        self.pages.iter().zip(0..).map(move |(pfn, table)| (pfn, self.base + table * level.span() * ENTRIES))
    }

    /// Adds a table of `level` to those found, as part of the last run if it can be.
    fn push(found: &mut Vec<Self>, pfn: Pfn, base: VirtAddr, level: Level) {
        match found.last_mut() {
            Some(Self { pages, base: first })
                if pages.end == pfn && *first + pages.pages() * level.span() * ENTRIES == base =>
            {
                pages.end = pfn.plus(1);
            }
            _ => found.push(Self { pages: PfnRange::new(pfn, 1), base }),
        }
    }
}

pub(super) struct Search {
    row: PfnRange,
    list: List,
    /// Pages of the row whose use is known.
    used: Ranges,
    pieces: Vec<Piece>,
    tables: Vec<PfnRange>,
    counts: Counts,
    page_size: PageSize,
}

impl Search {
    pub(super) fn new(row: PfnRange, list: List) -> Self {
        Self {
            row,
            list,
            used: Ranges::new(),
            pieces: Vec::new(),
            tables: Vec::new(),
            counts: Counts::default(),
            page_size: PageSize::Small,
        }
    }

    pub(super) fn run<X: Hypervisor>(
        mut self,
        addresses: VirtRange,
        tables: &mut Tables,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<BuilderList, MmError> {
        let mut level = Level::L3;
        let mut found = self.in_root(addresses, tables, xen)?;
        loop {
            self.show(&found, tables, frames, xen)?;
            found = self.below(level, &found, tables, xen)?;
            match level.below() {
                Some(below) => level = below,
                None => break,
            }
        }
        Ok(self.finish(addresses)?)
    }

    /// The L3 tables.
    fn in_root<X: Hypervisor>(
        &mut self,
        addresses: VirtRange,
        tables: &Tables,
        xen: &X,
    ) -> Result<Vec<Found>, ListError> {
        let (root, mut found) = (tables.root(), Vec::new());
        for at in l4_slots(addresses) {
            let entry = tables.entry(xen, root, at);
            if !entry.is_present() {
                return Err(ListError::Hole { at });
            }
            Found::push(&mut found, self.table(at, entry, Level::L3, xen)?, at, Level::L3);
        }
        Ok(found)
    }

    /// Maps tables read-only in the direct map: Xen would refuse anything else.
    fn show<X: Hypervisor>(
        &mut self,
        found: &[Found],
        tables: &mut Tables,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let mut pages = Ranges::new();
        found.iter().for_each(|tables| pages.insert(tables.pages));
        let pages: Vec<PfnRange> = pages.within(self.row).collect();
        pages.iter().for_each(|range| tables.seal(*range));
        direct_map::extend_by(&self.list, tables, &pages, frames, xen)?;
        self.tables.extend(pages);
        Ok(())
    }

    /// Reads the tables of one level: their entries lead to tables, or to pages of the list.
    fn below<X: Hypervisor>(
        &mut self,
        level: Level,
        found: &[Found],
        tables: &Tables,
        xen: &X,
    ) -> Result<Vec<Found>, ListError> {
        let mut next = Vec::new();
        for (pfn, base) in found.iter().flat_map(|tables| tables.each(level)) {
            let page = tables.window().shown_page(pfn);
            if level == Level::L1 {
                self.small_pages(page, base, xen)?;
                continue;
            }
            for (index, word) in (0..ENTRIES).zip(page.iter(xen)) {
                let (at, entry) = (base + index * level.span(), Pte::from_word(word));
                match level.below() {
                    Some(below) if entry.is_present() && !entry.is_large() => {
                        Found::push(&mut next, self.table(at, entry, below, xen)?, at, below);
                    }
                    _ if entry.is_present() => self.large_page(at, entry, level, xen)?,
                    _ => {}
                }
            }
        }
        Ok(next)
    }

    fn table<X: Hypervisor>(
        &mut self,
        base: VirtAddr,
        entry: Pte,
        level: Level,
        xen: &X,
    ) -> Result<Pfn, ListError> {
        self.counts.add(level);
        let pfn = self.page_of(base, entry.mfn(), xen)?;
        self.take(PfnRange::new(pfn, 1), base)?;
        Ok(pfn)
    }

    /// Pages of the list that an L1 table maps.
    fn small_pages<X: Hypervisor>(
        &mut self,
        table: ShownPage<'_>,
        base: VirtAddr,
        xen: &X,
    ) -> Result<(), ListError> {
        let first = Pte::from_word(table.word(xen, 0));
        let alike = table.differences(xen, Row::of_entries(first)) & !Pte::USED == 0;
        if alike && first.is_present() && first.is_writable() && self.whole(base, first.mfn(), xen)? {
            return Ok(());
        }
        for (index, word) in (0..ENTRIES).zip(table.iter(xen)) {
            let (at, entry) = (base + index * PAGE_SIZE, Pte::from_word(word));
            if entry.is_present() {
                writable(at, entry)?;
                self.one(at, entry.mfn(), xen)?;
            }
        }
        Ok(())
    }

    /// Pages of the list that one entry of a higher level maps: contiguous frames.
    fn large_page<X: Hypervisor>(
        &mut self,
        at: VirtAddr,
        entry: Pte,
        level: Level,
        xen: &X,
    ) -> Result<(), ListError> {
        writable(at, entry)?;
        self.page_size = PageSize::Large;
        for first in (0..level.span() / PAGE_SIZE).step_by(512) {
            let (at, frame) = (at + first * PAGE_SIZE, Mfn::new(entry.mfn().raw() + first));
            if !self.whole(at, frame, xen)? {
                for page in 0..ENTRIES {
                    self.one(at + page * PAGE_SIZE, Mfn::new(frame.raw() + page), xen)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the pages of 512 contiguous frames, mapped from `at` on, at once if they are contiguous too, by M2P and by
    /// the list; tells whether they are.
    fn whole<X: Hypervisor>(&mut self, at: VirtAddr, frame: Mfn, xen: &X) -> Result<bool, ListError> {
        let first = self.page_of(at, frame, xen)?;
        if Listed::new(self.list, xen).contiguous_frames(first) != Ok(Some(frame)) {
            return Ok(false);
        }
        self.list_pages(Piece { at, pages: PfnRange::new(first, ENTRIES) })?;
        Ok(true)
    }

    fn one<X: Hypervisor>(&mut self, at: VirtAddr, frame: Mfn, xen: &X) -> Result<(), ListError> {
        let pfn = self.page_of(at, frame, xen)?;
        self.list_pages(Piece { at, pages: PfnRange::new(pfn, 1) })
    }

    fn list_pages(&mut self, piece: Piece) -> Result<(), ListError> {
        self.take(piece.pages, piece.at)?;
        match self.pieces.last_mut() {
            Some(last) if last.pages.end == piece.pages.start && last.end() == piece.at => {
                last.pages.end = piece.pages.end;
            }
            _ => {
                let at = self.pieces.partition_point(|before| before.at < piece.at);
                self.pieces.insert(at, piece);
            }
        }
        Ok(())
    }

    fn page_of<X: Hypervisor>(&mut self, at: VirtAddr, mfn: Mfn, xen: &X) -> Result<Pfn, ListError> {
        Listed::new(self.list, xen).page_of(mfn).ok_or(ListError::Frame { at, mfn })
    }

    /// Records that pages are used: they must lie in the row and not be in use yet.
    fn take(&mut self, pages: PfnRange, at: VirtAddr) -> Result<(), ListError> {
        let inside = pages.start >= self.row.start && pages.end <= self.row.end;
        if !inside || self.used.within(pages).next().is_some() {
            return Err(ListError::Page { at, pages, row: self.row });
        }
        self.used.insert(pages);
        Ok(())
    }

    fn finish(self, addresses: VirtRange) -> Result<BuilderList, ListError> {
        let mut end = addresses.start;
        for piece in &self.pieces {
            if piece.at != end {
                return Err(ListError::Hole { at: end });
            }
            end = piece.end();
        }
        let expected = VirtAddr::new_truncate(addresses.end_raw());
        if end != expected {
            return Err(ListError::End { expected, found: end });
        }
        let found = self.used.within(self.row).map(PfnRange::pages).sum();
        if found != self.row.pages() {
            return Err(ListError::Count { found, row: self.row });
        }
        let own_mapping =
            OwnMapping { addresses, tables: self.tables, counts: self.counts, page_size: self.page_size };
        Ok(BuilderList { addresses, pieces: self.pieces, own_mapping: Some(own_mapping) })
    }
}

fn writable(at: VirtAddr, entry: Pte) -> Result<(), ListError> {
    if entry.is_writable() { Ok(()) } else { Err(ListError::ReadOnly { at, entry: entry.word() }) }
}
