//! The runtime of an image: assembly, raw pointers and hypercalls, and nothing else.
//!
//! Every SAFETY comment here relies on what holds for all of it:
//!
//! - One vCPU, in 64-bit mode, in ring 3, entered once at `_start` with the builder's mappings.
//! - Events stay masked from entry to shutdown, so nothing interrupts; the only asynchronous exit would be an NMI,
//!   for which no callback is registered. Exceptions are synchronous.
//! - The image is where the linker put it; its code and constants are never written.
//! - The prebuilt `core` may use the red zone, and Xen pushes exception frames into it. So execution resumes after a
//!   fault only where this crate's own assembly provoked it, in code compiled without a red zone; a module that faulted
//!   is never resumed (`guard`).
//!
//! `live` implements [`Hypervisor`](crate::Hypervisor) with the rest; `start` leads from the entry to `main`.

mod assembly;
pub mod clock;
pub mod console;
mod cpu;
mod die;
pub mod guard;
pub mod heap;
pub mod hypercall;
pub mod linker;
pub mod live;
pub mod logger;
mod loops;
pub mod memory;
mod module_names;
mod peak;
pub mod probe;
mod resident;
mod ring;
pub mod shared;
pub mod stack;
mod start;
mod store;
mod symbols;
pub mod tables;
pub mod trace;
mod traps;
pub mod volatile;

pub use die::{panic, unwound};
pub use heap::Allocator;
pub use live::Live;
pub use peak::Peak;
pub use start::{Entered, start};
