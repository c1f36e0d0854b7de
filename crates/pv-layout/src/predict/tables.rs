//! How many page tables a builder makes, and where its mapping ends.
//!
//! The tables lie inside the mapping that they make, so that their number depends on itself. The toolstack guesses an
//! end, counts the tables up to it, and guesses again if they and the rest do not fit: the stack, and 512 KiB that it
//! leaves free. Xen tries every number from 2 on. Both find the smallest solution.
//!
//! Sources: xg_dom_x86.c (`alloc_pgtables_pv`, `count_pgtables`); dom0_build.c. `domain` asks.

use super::refusal::Refusal;
use crate::scene::{PAGE, TableCounts};

/// The mapping ends on a multiple of this.
const ALIGN: u64 = 4 << 20;
/// Pages left free after the stack.
const PADDING: u64 = (512 << 10) / PAGE;
const STACK: u64 = 1;
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
pub(super) fn initial_mapping(base: u64, used: u64) -> Result<Mapping, Refusal> {
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

/// Whether a list from `at` on ends before the addresses that are translated do.
pub(super) const fn ends_in_time(at: u64, pages: u64) -> bool {
    match pages.checked_mul(PAGE) {
        Some(bytes) => matches!((at & TRANSLATED).checked_add(bytes), Some(end) if end <= TRANSLATED + 1),
        None => false,
    }
}

/// Tables for a list at an address of its own, less those that the initial mapping has there already.
pub(super) fn of_list(at: u64, pages: u64, base: u64, mapped_end: u64) -> TableCounts {
    let last = at.saturating_add(pages.saturating_mul(PAGE)).saturating_sub(1);
    let mut counts = [0; 4];
    for (count, shift) in counts.iter_mut().zip(SHIFTS) {
        let (first, last) = (slot(at, shift), slot(last, shift));
        let (known_first, known_last) = (slot(base, shift), slot(mapped_end.wrapping_sub(1), shift));
        let shared = (last.min(known_last) + 1).saturating_sub(first.max(known_first));
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
