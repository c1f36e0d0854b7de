//! The page tables of the initial mapping: page n at VIRT_BASE + n * 4096, everything writable but the tables.
//!
//! Mirrors `setup_pgtables_x86_64` (tools/libs/guest/xg_dom_x86.c) and the loop in `dom0_construct`
//! (xen/arch/x86/pv/dom0_build.c). Entries are written as the builders write them; Xen edits them when the L4 table
//! is pinned.

use alloc::vec::Vec;

use super::rows::tables_for;
use super::{Domain, Rows};
use crate::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use crate::fake::entry::{ACCESSED, DIRTY, GUEST_KERNEL, PRESENT, USER, WRITABLE};
use crate::fake::memory::Memory;
use crate::mm::area;
use crate::mm::pte::Level;
use crate::xen::start_info::Role;

/// Where an `INIT_P2M` list is mapped.
pub(super) const INIT_P2M: VirtAddr = VirtAddr::new(1 << 39);

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
    if !domain.list_is_mapped() {
        for pfn in rows.list_tables.iter() {
            let table = frame(memory, pfn);
            memory.fill(table, 0);
        }
        let tables = Tables::place(rows.list_tables, rows.list.pages(), Role::Guest);
        tables.map(memory, root, INIT_P2M, rows.list, rows, domain.role);
    }
    root
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
        const ABOVE: u64 = PRESENT | WRITABLE | USER | ACCESSED | DIRTY;
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
