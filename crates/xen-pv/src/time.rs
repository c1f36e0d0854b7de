//! Xen's clock: nanoseconds at one reading of the TSC, and how to continue from there.
//!
//! Where the TSC has no constant rate, Xen measures it repeatedly and then replaces the whole of [`VcpuTime`]: a new
//! pair of TSC and time, and a new rate. So a rate is not valid for the time before its pair, and a new pair may lie a
//! little before the time that the old one gave. Hence the two rules here: a time is always counted from the pair
//! ([`VcpuTime::at`]), and a [`Clock`] never goes back.
//!
//! Pure; the image's `rt::clock` reads the TSC and shared_info. Source: xen/include/public/xen.h (vcpu_time_info).

use core::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use crate::abi::VcpuTime;

/// Xen's system time: nanoseconds since Xen booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// Makes a time of the form that hypercalls take.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the time in the form that hypercalls take, for deadlines.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Returns the nanoseconds since an earlier time; 0 if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time that many nanoseconds later.
    #[must_use]
    pub const fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl VcpuTime {
    /// Returns the time at a reading of the TSC, even one from before the pair.
    #[must_use]
    pub const fn at(&self, tsc: u64) -> Instant {
        // Halves of 2^64: a TSC does not run for that long.
        let ahead = tsc.wrapping_sub(self.tsc_timestamp).cast_signed();
        let nanos = self.scale(ahead.unsigned_abs());
        Instant(if ahead < 0 {
            self.system_time.saturating_sub(nanos)
        } else {
            self.system_time.saturating_add(nanos)
        })
    }

    const fn scale(&self, ticks: u64) -> u64 {
        let shift = self.tsc_shift.unsigned_abs() as u32;
        // A shift by 64 or more leaves nothing either way; Xen's are small.
        let shifted = if self.tsc_shift < 0 { ticks.checked_shr(shift) } else { ticks.checked_shl(shift) };
        let ticks = match shifted {
            Some(ticks) => ticks,
            None => 0,
        };
        // The product of 64 and 32 bits, less its low 32, fits for 584 years of nanoseconds.
        ((ticks as u128 * self.tsc_to_system_mul as u128) >> 32) as u64
    }
}

/// Reads data whose writer announces updates by a version, which is odd during a write and different afterwards.
///
/// Sources: the same header, which refers to a seqlock.
pub fn read_versioned<T>(mut version: impl FnMut() -> u32, mut read: impl FnMut() -> T) -> T {
    loop {
        let before = version();
        compiler_fence(Ordering::Acquire);
        let value = read();
        compiler_fence(Ordering::Acquire);
        if before & 1 == 0 && version() == before {
            return value;
        }
    }
}

/// A clock that starts at a given time and never goes back, whatever Xen measures meanwhile.
#[derive(Debug)]
pub struct Clock {
    start: AtomicU64,
    latest: AtomicU64,
}

impl Clock {
    const STOPPED: u64 = u64::MAX;

    /// A clock that stands at 0 until it is started.
    #[must_use]
    pub const fn stopped() -> Self {
        Self { start: AtomicU64::new(Self::STOPPED), latest: AtomicU64::new(0) }
    }

    /// Starts counting from `start`.
    pub fn start(&self, start: Instant) {
        self.start.store(start.0, Ordering::Relaxed);
    }

    /// Returns the nanoseconds since the start, and never less than it has returned before.
    pub fn read(&self, now: Instant) -> u64 {
        let start = self.start.load(Ordering::Relaxed);
        // A stopped clock starts at the largest time: nothing is later.
        let elapsed = now.since(Instant(start));
        self.latest.fetch_max(elapsed, Ordering::Relaxed).max(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(tsc_timestamp: u64, system_time: u64, (tsc_shift, tsc_to_system_mul): (i8, u32)) -> VcpuTime {
        let (version, pad0, flags, pad1) = (2, 0, 0, [0; 2]);
        VcpuTime { version, pad0, tsc_timestamp, system_time, tsc_to_system_mul, tsc_shift, flags, pad1 }
    }

    /// 1 GHz: half a nanosecond, doubled.
    const ONE_NANO_A_TICK: (i8, u32) = (1, 1 << 31);
    /// A thousandth faster.
    const FASTER: (i8, u32) = (1, (1 << 31) / 1000 * 1001);
    /// A thousandth slower.
    const SLOWER: (i8, u32) = (1, (1 << 31) / 1000 * 999);

    #[test]
    fn a_time_is_counted_from_the_pair() {
        let time = pair(5_000, 70_000, ONE_NANO_A_TICK);
        assert_eq!(time.at(5_000).nanos(), 70_000);
        assert_eq!(time.at(5_250).nanos(), 70_250);
        assert_eq!(pair(0, 0, (-2, 1 << 31)).at(800).nanos(), 100);
    }

    #[test]
    fn a_tsc_from_before_the_pair_is_a_time_before_it() {
        let time = pair(5_000, 70_000, ONE_NANO_A_TICK);
        assert_eq!(time.at(4_900).nanos(), 69_900);
        assert_eq!(pair(5_000, 10, ONE_NANO_A_TICK).at(0).nanos(), 0, "not before Xen's boot");
    }

    #[test]
    fn no_shift_is_too_long() {
        assert_eq!(pair(0, 9, (127, u32::MAX)).at(1).nanos(), 9);
        assert_eq!(pair(0, 9, (-128, u32::MAX)).at(u64::MAX / 2).nanos(), 9);
    }

    #[test]
    fn a_new_rate_does_not_change_the_time_that_has_passed() {
        // An hour at one rate; then Xen measures another, and one more second passes.
        const HOUR: u64 = 3_600_000_000_000;
        let clock = Clock::stopped();
        clock.start(pair(0, 0, ONE_NANO_A_TICK).at(0));
        let before = clock.read(pair(0, 0, ONE_NANO_A_TICK).at(HOUR));
        for rate in [FASTER, SLOWER] {
            let after = clock.read(pair(HOUR, HOUR, rate).at(HOUR + 1_000_000));
            let passed = after - before;
            assert!((999_000..=1_001_001).contains(&passed), "{passed} ns for a million ticks, {rate:?}");
        }
    }

    #[test]
    fn a_clock_does_not_follow_xen_back() {
        let clock = Clock::stopped();
        assert_eq!(clock.read(Instant(12)), 0, "it is not started");
        clock.start(Instant(1_000));
        assert_eq!(clock.read(Instant(900)), 0);
        assert_eq!(clock.read(Instant(1_500)), 500);
        assert_eq!(clock.read(Instant(1_400)), 500, "Xen's new pair lies before what the old one promised");
        assert_eq!(clock.read(Instant(1_600)), 600);
    }

    #[test]
    fn a_value_that_changes_while_it_is_read_is_read_again() {
        // Version and value before each access: the writer is active at first, then writes between two readings.
        let versions = core::cell::RefCell::new([3, 4, 6, 6, 6].into_iter());
        let mut values = [1, 2, 3].into_iter();
        let value = read_versioned(
            || versions.borrow_mut().next().expect("no more than five looks"),
            || values.next().expect("no more than three readings"),
        );
        assert_eq!(value, 3);
        assert_eq!(versions.borrow_mut().next(), None);
    }
}
