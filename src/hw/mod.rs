//! The hardware side: assembly, raw pointers and hypercalls, and nothing else.
//!
//! What holds for all of it, and what every SAFETY comment here builds on:
//!
//! - One vCPU, in 64-bit mode, in ring 3, entered once at `_start` with the builder's mappings.
//! - Events stay masked from entry to shutdown, so nothing interrupts; the only asynchronous exit would be an NMI,
//!   for which no callback is registered. Exceptions are synchronous.
//! - The image is where the linker put it; its code and constants are never written.
//! - The prebuilt `core` may use the red zone, below which Xen pushes exception frames. So a fault is returned from
//!   only where an assembly sequence of ours provoked it, in code compiled without a red zone; or not at all: a
//!   module that faulted is left for good (`guard`).
//!
//! `live` implements the library's seam with the rest.

pub(crate) mod clock;
pub(crate) mod console;
pub(crate) mod cpu;
pub(crate) mod die;
pub(crate) mod entry;
pub(crate) mod exports;
pub(crate) mod guard;
pub(crate) mod heap;
pub(crate) mod hypercall;
pub(crate) mod linker;
pub(crate) mod live;
pub(crate) mod logger;
pub(crate) mod loops;
pub(crate) mod memory;
pub(crate) mod module_names;
pub(crate) mod probe;
pub(crate) mod selftest;
pub(crate) mod services;
pub(crate) mod shared;
pub(crate) mod symbols;
pub(crate) mod tables;
pub(crate) mod trace;
pub(crate) mod traps;
pub(crate) mod volatile;
