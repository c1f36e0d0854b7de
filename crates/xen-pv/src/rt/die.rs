//! Orderly end after a failure: print the reason, drain the console, tell Xen.
//!
//! The cause is also kept in a static, the epitaph, for a debugger that finds the domain stopped. A second failure
//! meanwhile goes straight to the last step. If Xen refuses the shutdown, the exception handlers are removed, and an
//! undefined instruction makes Xen kill the domain.

use core::arch::asm;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::abi::Shutdown;

use super::{console, hypercall, trace};

/// Why the guest died, for a debugger: 1 a panic, 2 a trap (vector and address follow).
#[unsafe(no_mangle)]
static EPITAPH: [AtomicU64; 3] = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];

static DYING: AtomicBool = AtomicBool::new(false);

/// Why the guest dies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    /// A panic.
    Panic,
    /// An exception that nobody expected.
    Trap {
        /// Its vector.
        vector: u64,
        /// Where it happened.
        rip: u64,
    },
}

/// Starts the end: breaks the console's lock, whoever held it. Ends the domain at once if this is the second time.
pub(crate) fn begin() {
    if DYING.swap(true, Ordering::Relaxed) {
        stop(Shutdown::Crash);
    }
    console::break_lock();
}

/// Stores the epitaph and crashes the domain.
pub(crate) fn crash(cause: Cause) -> ! {
    let words = match cause {
        Cause::Panic => [1, 0, 0],
        Cause::Trap { vector, rip } => [2, vector, rip],
    };
    for (place, word) in EPITAPH.iter().zip(words) {
        place.store(word, Ordering::Relaxed);
    }
    console::drain();
    stop(Shutdown::Crash)
}

/// Stops the domain, and does not return.
pub(crate) fn stop(reason: Shutdown) -> ! {
    // If Xen refuses the first way, the second is tried; if that is refused too, only the loop is left.
    let _ = hypercall::shutdown(reason);
    let _ = hypercall::clear_trap_table();
    loop {
        // SAFETY: fatal on purpose: without a handler Xen kills the domain.
        unsafe { asm!("ud2", options(nomem, nostack)) };
    }
}

/// Ends the domain after a panic: prints where it was, with a trace.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    begin();
    console::write(format_args!("*** {info}\n"));
    trace::print_callers();
    crash(Cause::Panic)
}

/// Ends the domain if something unwinds: nothing in an image ever does.
pub fn unwound() -> ! {
    begin();
    crash(Cause::Panic)
}
