//! What a boot costs, counted where the work is done: hypercalls by kind, entries, bytes.
//!
//! Counting is always on: it costs an addition for each hypercall or range of pages, and nothing per page or entry.
//! Neighbours: the seam returns [`Counters`], `meter` prints the difference of two readings for each stage.

use core::fmt;

/// The kind of a hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// `mmu_update`: page-table entries by machine address, any number.
    Update,
    /// `mmuext_op`: flush, pin, unpin.
    Extended,
    /// `update_va_mapping`: one L1 entry by linear address.
    OneEntry,
    /// Writing to the console and waiting for it to drain.
    Console,
    /// Anything else.
    Other,
}

/// Hypercalls, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    counts: [u64; 5],
}

impl Calls {
    /// Wraps counts, given in the order of [`CallKind`].
    #[must_use]
    pub const fn new(counts: [u64; 5]) -> Self {
        Self { counts }
    }

    /// Counts one call.
    pub const fn add(&mut self, kind: CallKind) {
        self.counts[kind as usize] += 1;
    }

    /// Returns the calls of one kind.
    #[must_use]
    pub const fn of(self, kind: CallKind) -> u64 {
        self.counts[kind as usize]
    }

    /// Returns the calls of any kind.
    #[must_use]
    pub fn all(self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the calls that change page tables or flush translations.
    #[must_use]
    pub const fn mmu(self) -> u64 {
        self.of(CallKind::Update) + self.of(CallKind::Extended) + self.of(CallKind::OneEntry)
    }

    fn since(self, earlier: Self) -> Self {
        Self { counts: core::array::from_fn(|kind| self.counts[kind] - earlier.counts[kind]) }
    }
}

/// Work done so far; the difference of two readings is a stage's cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Nanoseconds since entry.
    pub nanos: u64,
    /// Hypercalls.
    pub calls: Calls,
    /// Page-table entries written through the hypervisor.
    pub entries: u64,
    /// Bytes copied.
    pub copied: u64,
    /// Bytes filled.
    pub filled: u64,
}

impl Counters {
    /// Returns what was done since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(earlier.nanos),
            calls: self.calls.since(earlier.calls),
            entries: self.entries - earlier.entries,
            copied: self.copied - earlier.copied,
            filled: self.filled - earlier.filled,
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nanos, calls, entries, copied, filled } = self;
        write!(
            f,
            "{} us, {} hypercalls ({} MMU), {entries} entries, ",
            nanos / 1000,
            calls.all(),
            calls.mmu()
        )?;
        write!(f, "{} KiB copied, {} KiB filled", copied / 1024, filled / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_calls_count_among_all_calls_but_not_among_those_of_the_mmu() {
        let mut calls = Calls::default();
        for kind in [CallKind::Update, CallKind::OneEntry, CallKind::Console, CallKind::Console] {
            calls.add(kind);
        }
        assert_eq!((calls.all(), calls.mmu(), calls.of(CallKind::Console)), (4, 2, 2));
    }

    #[test]
    fn the_difference_of_two_readings_holds_each_counter_for_itself() {
        let early =
            Counters { nanos: 5, calls: Calls::new([1, 2, 3, 4, 5]), entries: 7, copied: 1, filled: 2 };
        let late =
            Counters { nanos: 9, calls: Calls::new([2, 2, 5, 4, 6]), entries: 8, copied: 5, filled: 9 };
        let spent =
            Counters { nanos: 4, calls: Calls::new([1, 0, 2, 0, 1]), entries: 1, copied: 4, filled: 7 };
        assert_eq!(late.since(early), spent);
    }
}
