//! Nanoseconds since entry: the TSC, scaled as Xen says.
//!
//! Sources: xen/include/public/xen.h (vcpu_time_info).

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicU64, Ordering};

use super::shared;

static ENTRY: AtomicU64 = AtomicU64::new(0);

fn ticks() -> u64 {
    // SAFETY: every 64-bit processor has the instruction; Xen emulates it where it must.
    unsafe { _rdtsc() }
}

/// Notes the time of entry.
pub(crate) fn start() {
    ENTRY.store(ticks(), Ordering::Relaxed);
}

/// Returns the nanoseconds since entry; 0 until shared_info is mapped.
pub(crate) fn nanos() -> u64 {
    scale(ticks().wrapping_sub(ENTRY.load(Ordering::Relaxed)))
}

/// Returns Xen's system time in nanoseconds, which deadlines are given in.
pub(crate) fn system_time() -> u64 {
    let time = shared::time();
    time.system_time.wrapping_add(scale(ticks().wrapping_sub(time.tsc_timestamp)))
}

fn scale(ticks: u64) -> u64 {
    let time = shared::time();
    let shift = u32::from(time.tsc_shift.unsigned_abs());
    let shifted = if time.tsc_shift < 0 { ticks >> shift } else { ticks << shift };
    // The product of 64 and 32 bits, less its low 32, fits for 584 years of nanoseconds.
    ((u128::from(shifted) * u128::from(time.tsc_to_system_mul)) >> 32) as u64
}
