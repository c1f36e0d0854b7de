//! How many tables a mapping takes, and where a mapping that holds its own tables ends.
//!
//! Neighbours: `rows` and `physmap` make room for them, `tables` fills them.
//! Sources: tools/libs/guest/xg_dom_x86.c (`alloc_pgtables_pv`), xen/arch/x86/pv/dom0_build.c (`dom0_construct`),
//! GRUB's grub-core/loader/i386/xen.c (`grub_xen_pt_alloc`).

use super::Builder;
use xen::addr::{ENTRIES, Pfn};

/// The initial mapping ends on a multiple of 4 MiB.
const ALIGN: u64 = 0x400;
/// At least 512 KiB follow the stack.
const PADDING: u64 = 128;
/// Pages between GRUB's tables and the top of the stack that it names.
const GRUB_STACK: u64 = 256;
/// GRUB maps one page at address 0 while it leaves: an L3, an L2 and an L1 table, which stay.
pub(super) const GRUB_LOW_TABLES: u64 = 3;

/// Tables of levels 1 to 3 below one L4 slot that map `pages` pages from an aligned address on.
pub(super) const fn tables_for(pages: u64) -> [u64; 3] {
    let l1 = pages.div_ceil(ENTRIES);
    [l1, l1.div_ceil(ENTRIES), l1.div_ceil(ENTRIES * ENTRIES)]
}

/// The tables of a mapping that starts with page 0, and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Initial {
    /// Tables, those of address 0 included.
    pub(super) tables: u64,
    /// First page after the mapping.
    pub(super) end: Pfn,
}

/// Plans the tables that start at `start`: they map themselves, so their number is found by trying.
pub(super) fn initial(builder: Builder, start: Pfn) -> Initial {
    match builder {
        Builder::Toolstack | Builder::Xen | Builder::Shim => padded(start.raw()),
        Builder::Grub => of_grub(start.raw()),
    }
}

fn tables_to(end: u64) -> u64 {
    1 + tables_for(end).iter().sum::<u64>()
}

/// Tables, stack, and what is missing to 512 KiB of padding.
fn padded(start: u64) -> Initial {
    let mut tables = 4;
    loop {
        let stack_end = start + tables + 1;
        let mut end = stack_end.next_multiple_of(ALIGN);
        if end - stack_end < PADDING {
            end += ALIGN;
        }
        let needed = tables_to(end);
        if needed <= tables {
            return Initial { tables: needed, end: Pfn::new(end) };
        }
        tables = needed;
    }
}

/// GRUB leaves room for stack and padding first, and requires of the tables only that they end inside.
fn of_grub(start: u64) -> Initial {
    let mut used = start;
    loop {
        let end = (used + PADDING + GRUB_STACK).next_multiple_of(ALIGN);
        let tables = tables_to(end) + GRUB_LOW_TABLES;
        used = start + tables;
        if used <= end {
            return Initial { tables, end: Pfn::new(end) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 128 GiB: the list of 256 MiB takes 130 tables, which are more than the padding that was left for them.
    #[test]
    fn grubs_tables_may_take_all_of_the_padding() {
        let start = 0x1_0400 - GRUB_STACK - PADDING;
        let Initial { tables, end } = initial(Builder::Grub, Pfn::new(start));
        assert_eq!((tables, end), (1 + 1 + 1 + 130 + 3, Pfn::new(0x1_0400)));
        assert!(end.raw() - start - tables < GRUB_STACK, "the stack ends outside the mapping");
    }

    #[test]
    fn the_others_leave_512_kib() {
        for start in 0x1_0000..0x1_0400 {
            for builder in [Builder::Toolstack, Builder::Xen, Builder::Shim] {
                let Initial { tables, end } = initial(builder, Pfn::new(start));
                assert!(end.raw() - start - tables > PADDING);
                assert_eq!(tables, tables_to(end.raw()));
            }
        }
    }
}
