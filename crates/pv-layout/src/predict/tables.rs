//! How many page tables a builder makes, and where its mapping ends.
//!
//! The tables lie inside the mapping that they make, so that their number depends on itself. The toolstack guesses an
//! end, counts the tables up to it, and guesses again if they and the rest do not fit: the stack, and 512 KiB that it
//! leaves free. Xen tries every number from 2 on. Both find the smallest solution. GRUB guesses an end that leaves room
//! for a stack of 1 MiB and the 512 KiB, and is content if the tables end before it; three of them are for one page
//! that it runs in while it leaves, at address 0.
//!
//! Sources: xg_dom_x86.c (`alloc_pgtables_pv`, `count_pgtables`); dom0_build.c; GRUB's grub-core/loader/i386/xen.c
//! (`grub_xen_pt_alloc`) and grub-core/kern/xen/init.c. `domain` asks.

use super::{builder::Builder, refusal::Refusal};
use crate::scene::{PAGE, TableCounts};
use std::{ops::Range, slice};

/// The mapping ends on a multiple of this.
const ALIGN: u64 = 4 << 20;
/// Pages left free after the stack.
const PADDING: u64 = (512 << 10) / PAGE;
const STACK: u64 = 1;
/// Pages that GRUB leaves for the stack.
const GRUB_STACK: u64 = (1 << 20) / PAGE;
/// Address bits that an entry of each level above covers: a table of L1 maps 2 MiB, of L2 1 GiB, of L3 512 GiB.
const SHIFTS: [u32; 3] = [21, 30, 39];
/// Bits of an address that are translated.
const TRANSLATED: u64 = (1 << 48) - 1;

/// The initial mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapping {
    /// First address after it.
    pub(super) end: u64,
    pub(super) counts: TableCounts,
}

/// The mapping from `base` on for a domain whose rows end at `used`, tables and stack not yet counted.
pub(super) fn initial_mapping(builder: Builder, base: u64, used: u64) -> Result<Mapping, Refusal> {
    match builder {
        Builder::Toolstack | Builder::Xen | Builder::Shim => padded(base, used),
        Builder::Grub => of_grub(base, used),
    }
}

fn padded(base: u64, used: u64) -> Result<Mapping, Refusal> {
    let mut pages = STACK + PADDING;
    loop {
        let wanted = used.checked_add(pages * PAGE).ok_or(Refusal::NoAddresses)?;
        // As the builder rounds: an end on the boundary already goes to the next one.
        let last = wanted | (ALIGN - 1);
        let counts = count(base, last);
        pages = counts.0.iter().sum::<u64>() + STACK + PADDING;
        let enough = used.checked_add(pages * PAGE).ok_or(Refusal::NoAddresses)?;
        let end = last.checked_add(1).ok_or(Refusal::NoAddresses)?;
        if enough <= end {
            return Ok(Mapping { end, counts });
        }
    }
}

/// The tables of GRUB's own page are counted with the others.
fn of_grub(base: u64, used: u64) -> Result<Mapping, Refusal> {
    let mut tables = 0;
    loop {
        let after = |pages: u64| used.checked_add(pages * PAGE).ok_or(Refusal::NoAddresses);
        let wanted = after(tables + GRUB_STACK + PADDING)?;
        let end = wanted.checked_next_multiple_of(ALIGN).ok_or(Refusal::NoAddresses)?;
        let TableCounts(high) = count(base, end - 1);
        let own_page = grubs_own_page(base, end);
        let TableCounts(own) = of_list(own_page.start, 1, slice::from_ref(&(base..end)));
        let counts: [u64; 4] = std::array::from_fn(|level| high[level] + own[level]);
        tables = counts.iter().sum();
        if after(tables)? <= end {
            return Ok(Mapping { end, counts: TableCounts(counts) });
        }
    }
}

/// The page that GRUB leaves through: the first of the address space, or the one after a mapping that starts there.
pub(super) const fn grubs_own_page(base: u64, mapped_end: u64) -> Range<u64> {
    let at = if base == 0 { mapped_end } else { 0 };
    at..at + PAGE
}

/// Page tables with which GRUB maps a domain of so many pages for itself: memory, and four pages after it.
pub(super) fn of_grub_itself(pages: u64) -> u64 {
    let last = pages.saturating_add(4).saturating_mul(PAGE).saturating_sub(1);
    count(0, last).0.iter().sum()
}

/// Whether a list from `at` on ends before the addresses that are translated do.
pub(super) const fn ends_in_time(at: u64, pages: u64) -> bool {
    match pages.checked_mul(PAGE) {
        Some(bytes) => matches!((at & TRANSLATED).checked_add(bytes), Some(end) if end <= TRANSLATED + 1),
        None => false,
    }
}

/// Tables for pages at an address of their own, less those that the addresses mapped already have.
pub(super) fn of_list(at: u64, pages: u64, mapped: &[Range<u64>]) -> TableCounts {
    let last = at.saturating_add(pages.saturating_mul(PAGE)).saturating_sub(1);
    let mut counts = [0; 4];
    for (count, shift) in counts.iter_mut().zip(SHIFTS) {
        let (first, last) = (slot(at, shift), slot(last, shift));
        let shared = |Range { start, end }: &Range<u64>| {
            let (known_first, known_last) = (slot(*start, shift), slot(end.wrapping_sub(1), shift));
            (last.min(known_last) + 1).saturating_sub(first.max(known_first))
        };
        let shared = mapped.iter().map(shared).sum();
        *count = (last + 1).saturating_sub(first).saturating_sub(shared);
    }
    TableCounts(counts)
}

/// Tables of each level for the addresses from `from` to `last`, which is included.
fn count(from: u64, last: u64) -> TableCounts {
    let tables = |shift: u32| slot(last, shift) - slot(from, shift) + 1;
    let [l1, l2, l3] = SHIFTS.map(tables);
    TableCounts([l1, l2, l3, 1])
}

const fn slot(address: u64, shift: u32) -> u64 {
    (address & TRANSLATED) >> shift
}
