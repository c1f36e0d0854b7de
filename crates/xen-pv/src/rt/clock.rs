//! Nanoseconds since entry, and Xen's system time: the TSC, by `xen::time`.
//!
//! The TSC is read first thing at entry. It becomes a time once shared_info, which has the conversion, is mapped.

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::time::{Clock, Instant};

use super::shared;

static ENTRY: AtomicU64 = AtomicU64::new(0);
static SINCE_ENTRY: Clock = Clock::stopped();

fn ticks() -> u64 {
    // SAFETY: every 64-bit processor has the instruction; Xen emulates it where it must.
    unsafe { _rdtsc() }
}

/// Records the TSC at entry.
pub fn note_entry() {
    ENTRY.store(ticks(), Ordering::Relaxed);
}

/// Starts the clock, at the time of entry; shared_info must be mapped.
pub fn start() {
    SINCE_ENTRY.start(shared::time().at(ENTRY.load(Ordering::Relaxed)));
}

/// Returns the nanoseconds since entry, never less than before; 0 until [`start`].
pub fn nanos() -> u64 {
    SINCE_ENTRY.read(system_time())
}

/// Returns Xen's system time, in which deadlines are given.
pub fn system_time() -> Instant {
    shared::time().at(ticks())
}
