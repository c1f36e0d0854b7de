//! The page tables of the initial mapping: page n at VIRT_BASE + n * 4096, everything writable but the tables. And
//! those of a list with a mapping of its own, which show none of these tables.
//!
//! Mirrors `setup_pgtables_x86_64` (tools/libs/guest/xg_dom_x86.c), and the loop in `dom0_construct` and
//! `setup_pv_physmap` (xen/arch/x86/pv/dom0_build.c). Entries are written as the builders write them; Xen edits them
//! when the L4 table is pinned.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::physmap::{INIT_P2M, Part, Piece};
use super::table_count::tables_for;
use super::{Domain, Rows};
use crate::entry::{ACCESSED, DIRTY, GUEST_KERNEL, LARGE, PRESENT, USER, WRITABLE};
use crate::memory::Memory;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use xen::area;
use xen::pte::Level;
use xen::start_info::Role;

const ABOVE: u64 = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;

/// Which pages hold the tables of one mapping below the L4 table.
struct Tables {
    l3: Pfn,
    l2: Vec<Pfn>,
    l1: Vec<Pfn>,
}

/// Writes the tables; returns the L4 table's frame.
pub(super) fn fill(memory: &mut Memory, domain: &Domain, rows: &Rows) -> Mfn {
    let root = frame(memory, rows.tables.start);
    let below = PfnRange::between(rows.tables.start.plus(1), rows.tables.end);
    let mapped = PfnRange::between(Pfn::ZERO, rows.mapped_end);
    let tables = Tables::place(below, mapped.pages(), domain.role);
    tables.map(memory, root, area::HIGH, mapped, rows, domain.role);
    if domain.role == Role::Guest && !rows.physmap.is_empty() {
        let top = fill_physmap(memory, &rows.physmap, domain.role);
        memory.words_mut(root)[Level::L4.index(INIT_P2M)] = top;
    }
    root
}

/// Writes the tables of a list's own mapping; returns the entry for the L4 table.
pub(super) fn fill_physmap(memory: &mut Memory, physmap: &[Piece], role: Role) -> u64 {
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
        memory.words_mut(above)[level.above().index(VirtAddr::new(*at))] = entry(*mfn, ABOVE);
    }
    for piece in physmap {
        if let Part::List(level) = piece.part {
            let bits = list_bits(level, role);
            for number in 0..piece.pages.pages() / (level.span() / PAGE_SIZE) {
                let at = piece.at + number * level.span();
                let word =
                    entry(frame(memory, piece.pages.start.plus(number * level.span() / PAGE_SIZE)), bits);
                let table = tables[&(level, covering(level.above(), at))];
                memory.words_mut(table)[level.index(at)] = word;
            }
        }
    }
    entry(tables[&(Level::L3, covering(Level::L4, INIT_P2M))], ABOVE)
}

/// Start of what an entry of `level` spans around `at`: that is where the table below it begins.
const fn covering(level: Level, at: VirtAddr) -> u64 {
    at.as_u64() - at.as_u64() % level.span()
}

const fn list_bits(level: Level, role: Role) -> u64 {
    match (role, level) {
        (Role::Guest, _) => PRESENT | WRITABLE | ACCESSED,
        (Role::InitialDomain, Level::L1) => ABOVE | GUEST_KERNEL,
        (Role::InitialDomain, _) => ABOVE | GUEST_KERNEL | LARGE,
    }
}

fn frame(memory: &Memory, pfn: Pfn) -> Mfn {
    memory.machine.mfn(pfn).expect("builders place nothing in a hole")
}

impl Tables {
    /// The toolstack orders tables by level, highest first; Xen in the order in which a mapping needs them.
    fn place(row: PfnRange, pages: u64, role: Role) -> Self {
        let [l1, l2, _] = tables_for(pages);
        let mut next = row.iter();
        let mut tables = Self { l3: row.start, l2: Vec::new(), l1: Vec::new() };
        match role {
            Role::Guest => {
                tables.l3 = next.next().unwrap_or(row.start);
                tables.l2.extend(next.by_ref().take(l2 as usize));
                tables.l1.extend(next.take(l1 as usize));
            }
            Role::InitialDomain => {
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
    fn map(&self, memory: &mut Memory, root: Mfn, base: VirtAddr, pages: PfnRange, rows: &Rows, role: Role) {
        let leaf = match role {
            Role::Guest => PRESENT | WRITABLE | ACCESSED,
            Role::InitialDomain => PRESENT | WRITABLE | ACCESSED | USER | GUEST_KERNEL,
        };
        let l3 = frame(memory, self.l3);
        memory.words_mut(root)[Level::L4.index(base)] = entry(l3, ABOVE);
        for (number, l2) in self.l2.iter().enumerate() {
            let l2 = frame(memory, *l2);
            memory.words_mut(l3)[Level::L3.index(base) + number] = entry(l2, ABOVE);
            for (index, l1) in self.l1.chunks(512).nth(number).unwrap_or(&[]).iter().enumerate() {
                let l1 = frame(memory, *l1);
                memory.words_mut(l2)[index] = entry(l1, ABOVE);
                let first = pages.start.plus((number as u64 * ENTRIES + index as u64) * ENTRIES);
                for pfn in PfnRange::between(first, pages.end.min(first.plus(ENTRIES))).iter() {
                    let bits = if rows.tables.contains(pfn) { leaf & !WRITABLE } else { leaf };
                    let word = entry(frame(memory, pfn), bits);
                    memory.words_mut(l1)[pfn.above(first) as usize] = word;
                }
            }
        }
    }
}

const fn entry(mfn: Mfn, bits: u64) -> u64 {
    (mfn.raw() * PAGE_SIZE) | bits
}
