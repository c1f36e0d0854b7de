//! Calls into modules that come back also if the module traps.
//!
//! A module runs on our stack, with our rights. An exception in it is the module's mistake, and the boot goes on
//! without the module: the trap handler resumes at `module_trapped` (guard.S) with the stack pointer that
//! `call_module` saved. Nothing of the module's frames is used again, so its red zone, which Xen's frame may have
//! overwritten, does not matter; between our last frame and the module's first there is only that assembly.
//!
//! While a kernel function works for the module ([`Service`]), an exception is ours and fatal: it may hold a lock. A
//! module that runs off the end of the stack cannot be survived at all: it meets the guard page or the read-only
//! constants below, Xen cannot deliver the exception there, and the domain ends (`traps` says why).

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::Trapped;
use crate::addr::VirtAddr;

use super::linker;

global_asm!(include_str!("guard.S"));

/// Stack pointer to go on with; 0 while no module runs.
static SAVED: AtomicU64 = AtomicU64::new(0);
/// Kernel functions that are working for the module.
static SERVICES: AtomicU64 = AtomicU64::new(0);
/// Vector and instruction of the last exception.
static TRAPPED: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
const NO_RESULT: u64 = 1 << 32;

/// Calls `entry`.
///
/// # Safety
/// As `Hypervisor::call`.
pub unsafe fn call(entry: VirtAddr) -> Result<i32, Trapped> {
    unsafe extern "C" {
        fn call_module(entry: u64, saved: *const AtomicU64) -> u64;
    }
    // SAFETY: the caller vouches for the entry; `SAVED` is a word that may be written.
    let result = unsafe { call_module(entry.as_u64(), &raw const SAVED) };
    SAVED.store(0, Ordering::Relaxed);
    if result & NO_RESULT == 0 {
        return Ok(result as u32 as i32);
    }
    let [vector, rip] = [0, 1].map(|word: usize| TRAPPED[word].load(Ordering::Relaxed));
    Err(Trapped { vector, rip })
}

/// Where to go on after an exception in a module.
#[derive(Clone, Copy, Debug)]
pub struct Landing {
    /// The instruction.
    pub rip: u64,
    /// The stack pointer.
    pub rsp: u64,
}

/// Returns where to go on after an exception in a module; `None` if no module is to blame.
pub fn landing(trapped: Trapped) -> Option<Landing> {
    if SERVICES.load(Ordering::Relaxed) != 0 {
        return None;
    }
    // Taken: a fault of the handler's own, while it reports this one, is not the module's.
    let saved = SAVED.swap(0, Ordering::Relaxed);
    if saved == 0 {
        return None;
    }
    TRAPPED[0].store(trapped.vector, Ordering::Relaxed);
    TRAPPED[1].store(trapped.rip, Ordering::Relaxed);
    Some(Landing { rip: linker::module_trapped().as_u64(), rsp: saved })
}

/// A kernel function at work for a module; while it lives, an exception is ours.
#[derive(Debug)]
pub struct Service(());

impl Service {
    /// Begins.
    pub fn begin() -> Self {
        SERVICES.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        SERVICES.fetch_sub(1, Ordering::Relaxed);
    }
}
