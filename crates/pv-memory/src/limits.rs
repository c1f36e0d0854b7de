//! The best that the machine can do, measured in the same boot, to compare the boot's times with (`limits=on`).
//!
//! Measured are: copying and filling as many bytes as the P2M has, by each loop; reading the P2M and the part of M2P
//! that describes it; an empty hypercall; Xen's validation of one L1 table. The first copy goes into memory that has
//! not been touched before: where the machine itself is virtual, that costs more than the copying, and the revector
//! stage cannot avoid it either.
//!
//! Runs when the boot is over, on free pages. Neighbours: the boot calls it last and prints what it emits.

use alloc::vec::Vec;

use crate::commit::Batch;
use crate::direct_map;
use crate::error::MmError;
use crate::frames::{Run, give_back};
use crate::memory::Memory;
use xen::addr::{Mfn, PAGE_SIZE, PfnRange};
use xen::area;
use xen::pte::{Level, Pte};
use xen::{Gauge, Hypervisor, Loop};

/// The most pages for the string instructions, which may be 40 times slower than the rest.
const STRING_PAGES: u64 = 256;
const IDLE_CALLS: u64 = 1000;
const VALIDATIONS: u64 = 64;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// KiB copied into untouched memory, by the loop that the boot uses.
    FirstCopy(u64),
    /// KiB copied.
    Copy(Loop, u64),
    /// KiB filled.
    Fill(Loop, u64),
    /// KiB of P2M and M2P read.
    Read(u64),
    /// Hypercalls that do nothing.
    Idle(u64),
    /// L1 tables of 512 entries validated by Xen, and unhooked again.
    Validation(u64),
}

/// Measures everything, and gives back all memory except page tables; `emit` gets each figure with its nanoseconds.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses a mapping.
pub fn measure<X: Hypervisor + Gauge>(
    memory: &mut Memory<'_>,
    xen: &mut X,
    mut emit: impl FnMut(Limit, u64),
) -> Result<(), MmError> {
    let emit = &mut emit;
    let list = memory.p2m.list_pages();
    // A list that has stayed in a mapping of its own is not shown yet.
    direct_map::extend(memory, &list, xen)?;
    let wanted = list.iter().map(|range| range.pages()).sum();
    let fresh = memory.take_mapped(wanted, xen, &direct_map::show_runs)?;
    let ranges: Vec<PfnRange> = fresh.iter().map(Run::pages).collect();
    // The largest piece that is contiguous on both sides: nearly always all of it.
    if let (Some(from), Some(to)) = (largest(&list), fresh.iter().max_by_key(|run| run.pages().pages())) {
        copies_and_fills(from, to, memory, xen, emit);
    }
    read_both(&list, memory, xen, emit);
    idle(xen, emit);
    validate(&ranges, memory, xen, emit)?;
    Ok(give_back(fresh, memory.frames)?)
}

fn largest(ranges: &[PfnRange]) -> Option<PfnRange> {
    ranges.iter().copied().max_by_key(|range| range.pages())
}

fn time<X: Hypervisor>(xen: &mut X, work: impl FnOnce(&mut X)) -> u64 {
    let start = xen.counters().nanos;
    work(xen);
    xen.counters().nanos.saturating_sub(start)
}

fn copies_and_fills<X: Hypervisor + Gauge>(
    from: PfnRange,
    to: &Run,
    memory: &Memory<'_>,
    xen: &mut X,
    emit: &mut impl FnMut(Limit, u64),
) {
    let window = memory.tables.window();
    let pages = from.pages().min(to.pages().pages());
    let part = |pages: u64| PfnRange::new(from.start, pages);
    let nanos = time(xen, |xen| window.copy(xen, window, part(pages), to, 0));
    emit(Limit::FirstCopy(kib(pages)), nanos);
    for by in Loop::ALL {
        let pages = pages.min(share(by));
        let nanos = time(xen, |xen| window.copy_by(xen, by, part(pages), to));
        emit(Limit::Copy(by, kib(pages)), nanos);
        let nanos = time(xen, |xen| window.fill_by(xen, by, to, pages, u64::MAX));
        emit(Limit::Fill(by, kib(pages)), nanos);
    }
}

const fn share(by: Loop) -> u64 {
    match by {
        Loop::Vectors | Loop::Words => u64::MAX,
        Loop::WordString | Loop::ByteString => STRING_PAGES,
    }
}

const fn kib(pages: u64) -> u64 {
    pages * PAGE_SIZE / 1024
}

/// Reads each page of the list, and the page of M2P that its first entry leads to.
fn read_both<X: Hypervisor + Gauge>(
    list: &[PfnRange],
    memory: &Memory<'_>,
    xen: &mut X,
    emit: &mut impl FnMut(Limit, u64),
) {
    let window = memory.tables.window();
    let mut pages = 0;
    let mut sum = 0_u64;
    let nanos = time(xen, |xen| {
        for leaf in list.iter().flat_map(|range| range.iter()) {
            let words = window.page(xen, leaf);
            sum = words.iter().fold(sum, |sum, word| sum.wrapping_add(*word));
            sum = sum.wrapping_add(xen.read_m2p_page(Mfn::new(words[0])));
            pages += 2;
        }
    });
    // Otherwise the compiler would remove the loop, because the sum is not used.
    core::hint::black_box(sum);
    emit(Limit::Read(kib(pages)), nanos);
}

fn idle<X: Hypervisor + Gauge>(xen: &mut X, emit: &mut impl FnMut(Limit, u64)) {
    let nanos = time(xen, |xen| (0..IDLE_CALLS).for_each(|_| xen.idle()));
    emit(Limit::Idle(IDLE_CALLS), nanos);
}

/// Unhooks and hooks a full L1 table over the fresh pages repeatedly: Xen validates it each time.
fn validate<X: Hypervisor>(
    ranges: &[PfnRange],
    memory: &Memory<'_>,
    xen: &mut X,
    emit: &mut impl FnMut(Limit, u64),
) -> Result<(), MmError> {
    let Some(at) = largest(ranges).map(|range| area::direct(range.start)) else { return Ok(()) };
    let l2 = memory.tables.find(xen, at, Level::L2)?.ok_or(MmError::NotMapped { at })?;
    let entry = memory.tables.entry(xen, l2, at);
    let start = xen.counters().nanos;
    for _ in 0..VALIDATIONS {
        let mut batch = Batch::new();
        batch.change(l2.slot(at), entry, Pte::ABSENT);
        batch.change(l2.slot(at), Pte::ABSENT, entry);
        batch.commit(xen)?;
    }
    emit(Limit::Validation(VALIDATIONS), xen.counters().nanos.saturating_sub(start));
    Ok(())
}
