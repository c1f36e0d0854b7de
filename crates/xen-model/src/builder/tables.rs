//! The page tables of the initial mapping: page n at VIRT_BASE + n * 4096, everything writable but the tables. And
//! those of a list with a mapping of its own, which show none of these tables.
//!
//! Mirrors `setup_pgtables_x86_64` (tools/libs/guest/xg_dom_x86.c), the loop in `dom0_construct` and
//! `setup_pv_physmap` (xen/arch/x86/pv/dom0_build.c), and `generate_page_table` (GRUB's grub-core/loader/i386/xen.c).
//! Entries are written as the builders write them; Xen edits them when the L4 table is pinned.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::physmap::{INIT_P2M, Part, Piece};
use super::table_count::{GRUB_LOW_TABLES, tables_for};
use super::{Builder, Domain, Rows};
use crate::contents::ListTable;
use crate::entry::{ACCESSED, DIRTY, GUEST_KERNEL, LARGE, PRESENT, USER, WRITABLE};
use crate::memory::Memory;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use xen::area;
use xen::pte::Level;

/// Bits of entries, as a builder writes them.
#[derive(Clone, Copy)]
struct Bits {
    /// Entries for tables.
    table: u64,
    /// Entries for pages that may be written.
    page: u64,
    /// Entries for pages of the list, in a mapping of its own.
    list: u64,
}

impl Bits {
    const fn of(builder: Builder) -> Self {
        const USED: u64 = ACCESSED | DIRTY;
        const OPEN: u64 = PRESENT | WRITABLE | USER;
        const OURS: u64 = PRESENT | WRITABLE | ACCESSED;
        match builder {
            Builder::Toolstack => Self { table: OPEN | USED, page: OURS, list: OURS },
            Builder::Xen | Builder::Shim => Self {
                table: OPEN | USED,
                page: OPEN | ACCESSED | GUEST_KERNEL,
                list: OPEN | USED | GUEST_KERNEL,
            },
            Builder::Grub => Self { table: OPEN, page: OPEN, list: OPEN },
        }
    }
}

/// Which pages hold the tables of one mapping below the L4 table.
struct Tables {
    l3: Pfn,
    l2: Vec<Pfn>,
    l1: Vec<Pfn>,
}

/// Writes the tables; returns the L4 table's frame.
pub(super) fn fill(memory: &mut Memory, domain: &Domain, rows: &Rows) -> Mfn {
    for pfn in rows.tables.iter() {
        let table = frame(memory, pfn);
        memory.fill(table, 0);
    }
    let root = frame(memory, rows.tables.start);
    let below = PfnRange::between(rows.tables.start.plus(1), rows.tables.end);
    let mapped = PfnRange::between(Pfn::ZERO, rows.mapped_end);
    let tables = Tables::place(below, mapped.pages(), domain.builder);
    tables.map(memory, root, area::HIGH, mapped, rows, Bits::of(domain.builder));
    if domain.builder == Builder::Grub {
        hook_low(memory, root, rows.tables);
    }
    if !domain.builder.is_hypervisor() && !rows.physmap.is_empty() {
        let top = fill_physmap(memory, &rows.physmap, domain.builder);
        memory.words_mut(root)[Level::L4.index(INIT_P2M)] = top;
    }
    root
}

/// What GRUB leaves at address 0: an L3, an L2 and an L1 table, whose one entry is gone.
fn hook_low(memory: &mut Memory, root: Mfn, tables: PfnRange) {
    let mut above = root;
    for number in 0..GRUB_LOW_TABLES {
        let table = frame(memory, tables.start.plus(tables.pages() - GRUB_LOW_TABLES + number));
        memory.words_mut(above)[0] = entry(table, Bits::of(Builder::Grub).table);
        above = table;
    }
}

/// Writes the tables of a list's own mapping; returns the entry for the L4 table.
pub(super) fn fill_physmap(memory: &mut Memory, physmap: &[Piece], builder: Builder) -> u64 {
    let bits = Bits::of(builder);
    let mut tables = BTreeMap::new();
    for piece in physmap {
        if let Part::Table(level) = piece.part {
            let mfn = frame(memory, piece.pages.start);
            memory.fill(mfn, 0);
            tables.insert((level, covering(level.above(), piece.at)), mfn);
        }
    }
    for ((level, at), mfn) in tables.iter().filter(|((level, _), _)| *level < Level::L3) {
        let above = tables[&(level.above(), covering(level.above().above(), VirtAddr::new(*at)))];
        memory.words_mut(above)[level.above().index(VirtAddr::new(*at))] = entry(*mfn, bits.table);
    }
    for piece in physmap {
        if let Part::List(level) = piece.part {
            if level == Level::L1 {
                show_small_pages(memory, piece, &tables, bits.list);
                continue;
            }
            for number in 0..piece.pages.pages() / (level.span() / PAGE_SIZE) {
                let at = piece.at + number * level.span();
                let page = piece.pages.start.plus(number * level.span() / PAGE_SIZE);
                let word = entry(frame(memory, page), bits.list | LARGE);
                let table = tables[&(level, covering(level.above(), at))];
                memory.words_mut(table)[level.index(at)] = word;
            }
        }
    }
    entry(tables[&(Level::L3, covering(Level::L4, INIT_P2M))], bits.table)
}

/// Small pages of the list follow from a rule, 512 at a time.
fn show_small_pages(memory: &mut Memory, piece: &Piece, tables: &BTreeMap<(Level, u64), Mfn>, bits: u64) {
    for first in (0..piece.pages.pages()).step_by(ENTRIES as usize) {
        let at = piece.at + first * PAGE_SIZE;
        let table = tables[&(Level::L1, covering(Level::L2, at))];
        memory.show_list(table, ListTable { group: (at - INIT_P2M) / Level::L2.span(), bits });
    }
}

/// Start of what an entry of `level` spans around `at`: that is where the table below it begins.
const fn covering(level: Level, at: VirtAddr) -> u64 {
    at.as_u64() - at.as_u64() % level.span()
}

fn frame(memory: &Memory, pfn: Pfn) -> Mfn {
    memory.machine.mfn(pfn).expect("builders place nothing in a hole")
}

impl Tables {
    /// Xen takes tables in the order in which a mapping needs them; others order them by level, highest first.
    fn place(row: PfnRange, pages: u64, builder: Builder) -> Self {
        let [l1, l2, _] = tables_for(pages);
        let mut next = row.iter();
        let mut tables = Self { l3: row.start, l2: Vec::new(), l1: Vec::new() };
        match builder {
            Builder::Toolstack | Builder::Grub => {
                tables.l3 = next.next().unwrap_or(row.start);
                tables.l2.extend(next.by_ref().take(l2 as usize));
                tables.l1.extend(next.take(l1 as usize));
            }
            Builder::Xen | Builder::Shim => {
                for number in 0..l1 {
                    tables.l1.extend(next.next());
                    if number % ENTRIES == 0 {
                        tables.l2.extend(next.next());
                    }
                    if number == 0 {
                        tables.l3 = next.next().unwrap_or(row.start);
                    }
                }
            }
        }
        tables
    }

    /// Maps `pages` from `base` on; the builder's own tables read-only.
    fn map(&self, memory: &mut Memory, root: Mfn, base: VirtAddr, pages: PfnRange, rows: &Rows, bits: Bits) {
        let l3 = frame(memory, self.l3);
        memory.words_mut(root)[Level::L4.index(base)] = entry(l3, bits.table);
        for (number, l2) in self.l2.iter().enumerate() {
            let l2 = frame(memory, *l2);
            memory.words_mut(l3)[Level::L3.index(base) + number] = entry(l2, bits.table);
            for (index, l1) in self.l1.chunks(512).nth(number).unwrap_or(&[]).iter().enumerate() {
                let l1 = frame(memory, *l1);
                memory.words_mut(l2)[index] = entry(l1, bits.table);
                let first = pages.start.plus((number as u64 * ENTRIES + index as u64) * ENTRIES);
                for pfn in PfnRange::between(first, pages.end.min(first.plus(ENTRIES))).iter() {
                    let fixed = if rows.tables.contains(pfn) { WRITABLE } else { 0 };
                    let word = entry(frame(memory, pfn), bits.page & !fixed);
                    memory.words_mut(l1)[pfn.above(first) as usize] = word;
                }
            }
        }
    }
}

const fn entry(mfn: Mfn, bits: u64) -> u64 {
    (mfn.raw() * PAGE_SIZE) | bits
}
