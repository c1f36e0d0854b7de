//! Measures each stage of the boot, and prints one line about it: time, hypercalls, entries, bytes, tables, frames.
//!
//! The counts come from three places: the seam (hypercalls, bytes), the page tables (L1 tables built and shared), the
//! allocator (frames). The time that printing these lines takes is measured as well and printed at the end, because the
//! meter is always on. The line's grammar is docs/boot-log.md. Neighbour: `boot` calls [`Meter::lap`] after each stage.

use alloc::vec::Vec;
use core::fmt;

use log::info;

use crate::stage::Stage;
use pv_memory::frames::Frames;
use pv_memory::tables::Tables;
use xen::{CallKind, Calls, Counters, Hypervisor};

/// Page tables and frames, counted by the library itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    l1_built: u64,
    l1_shared: u64,
    taken: u64,
    returned: u64,
}

impl Books {
    pub(crate) const fn read(tables: &Tables, frames: &Frames) -> Self {
        Self {
            l1_built: tables.l1_built(),
            l1_shared: tables.l1_shared(),
            taken: frames.taken_pages(),
            returned: frames.returned_pages(),
        }
    }

    const fn since(self, earlier: Self) -> Self {
        Self {
            l1_built: self.l1_built - earlier.l1_built,
            l1_shared: self.l1_shared - earlier.l1_shared,
            taken: self.taken - earlier.taken,
            returned: self.returned - earlier.returned,
        }
    }
}

/// What a stage cost.
struct Cost {
    counters: Counters,
    books: Books,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counters, books } = self;
        write!(f, "{counters}")?;
        let mut separator = "; ";
        for (name, count) in kinds(counters.calls).into_iter().chain(ledger(books)) {
            if count > 0 {
                write!(f, "{separator}{name} {count}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

fn kinds(calls: Calls) -> [(&'static str, u64); 5] {
    [
        ("mmu_update", calls.of(CallKind::Update)),
        ("mmuext_op", calls.of(CallKind::Extended)),
        ("update_va_mapping", calls.of(CallKind::OneEntry)),
        ("console", calls.of(CallKind::Console)),
        ("other", calls.of(CallKind::Other)),
    ]
}

const fn ledger(books: &Books) -> [(&'static str, u64); 4] {
    [
        ("L1 built", books.l1_built),
        ("L1 shared", books.l1_shared),
        ("frames taken", books.taken),
        ("frames returned", books.returned),
    ]
}

/// A stage, and its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lap {
    pub(crate) stage: Stage,
    pub(crate) micros: u64,
}

/// Measures stages, and prints what each cost.
#[derive(Debug)]
pub(crate) struct Meter {
    last: Counters,
    books: Books,
    /// Time spent in `verify`, which is not counted as the boot's own work.
    verifying: u64,
    /// Time spent printing these lines.
    metering: u64,
    laps: Vec<Lap>,
}

impl Meter {
    pub(crate) fn start<X: Hypervisor>(xen: &X) -> Self {
        Self { last: xen.counters(), books: Books::default(), verifying: 0, metering: 0, laps: Vec::new() }
    }

    /// Ends a stage before there are page tables and frames to count.
    pub(crate) fn lap_early<X: Hypervisor>(&mut self, stage: Stage, xen: &X) {
        self.end(stage, self.books, xen);
    }

    /// Ends a stage.
    pub(crate) fn lap<X: Hypervisor>(&mut self, stage: Stage, tables: &Tables, frames: &Frames, xen: &X) {
        self.end(stage, Books::read(tables, frames), xen);
    }

    fn end<X: Hypervisor>(&mut self, stage: Stage, books: Books, xen: &X) {
        let now = xen.counters();
        let counters = now.since(self.last);
        if stage == Stage::Verify {
            self.verifying += counters.nanos;
        }
        info!(target: stage.name(), "done: {}", Cost { counters, books: books.since(self.books) });
        self.books = books;
        self.laps.push(Lap { stage, micros: counters.nanos / 1000 });
        self.last = xen.counters();
        self.metering += self.last.nanos.saturating_sub(now.nanos);
    }

    /// Returns the stages so far, in their order.
    pub(crate) fn into_laps(self) -> Vec<Lap> {
        self.laps
    }

    /// Ends the boot.
    pub(crate) fn total<X: Hypervisor>(&self, xen: &X) {
        let counters = xen.counters();
        let (micros, verifying) = (counters.nanos / 1000, self.verifying / 1000);
        info!(target: Stage::Total.name(), "done: {}", Cost { counters, books: self.books });
        info!(target: Stage::Total.name(), "{verifying} us of that verifying, {} us not", micros - verifying);
        let kept = self.books.taken.saturating_sub(self.books.returned);
        info!(target: Stage::Total.name(), "{} us of that for the lines with done:; {kept} pages ({} KiB) taken and kept", self.metering / 1000, kept * 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn counts_of_zero_are_left_out_behind_the_semicolon() {
        let counters = Counters { nanos: 2_000, calls: Calls::new([1, 0, 0, 2, 0]), ..Counters::default() };
        let books = Books { taken: 3, ..Books::default() };
        let line = Cost { counters, books }.to_string();
        assert_eq!(
            line,
            "2 us, 3 hypercalls (1 MMU), 0 entries, 0 KiB copied, 0 KiB filled; mmu_update 1, console 2, frames taken 3"
        );
    }

    #[test]
    fn a_stage_without_any_of_them_has_no_semicolon() {
        let line = Cost { counters: Counters::default(), books: Books::default() }.to_string();
        assert!(!line.contains(';'), "{line}");
    }
}
