//! Calls into modules that return even if the module traps.
//!
//! A module runs on the kernel's stack, with the kernel's rights. An exception in it is the module's mistake, and the
//! boot continues without the module: the trap handler resumes at `module_trapped` (guard.S) with the stack pointer
//! that `call_module` saved. The module's frames are not used again, so it does not matter that Xen's frame may have
//! overwritten their red zone; between the kernel's last frame and the module's first there is only that assembly.
//!
//! While a kernel function runs for the module ([`Service`]), an exception is the kernel's and fatal: the function may
//! hold a lock. A module that runs off the end of the stack cannot be survived at all: it hits the guard page or the
//! read-only constants below, Xen cannot deliver the exception there, and the domain ends (`traps` says why).

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::Trapped;
use crate::addr::VirtAddr;

use super::linker;

global_asm!(include_str!("guard.S"));

/// Stack pointer to resume with; 0 while no module runs.
static SAVED: AtomicU64 = AtomicU64::new(0);
/// Kernel functions that are running for the module.
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

/// Where to resume after an exception in a module.
#[derive(Clone, Copy, Debug)]
pub struct Landing {
    /// The instruction.
    pub rip: u64,
    /// The stack pointer.
    pub rsp: u64,
}

/// Returns where to resume after an exception in a module; `None` if no module caused it.
pub fn landing(trapped: Trapped) -> Option<Landing> {
    if SERVICES.load(Ordering::Relaxed) != 0 {
        return None;
    }
    // Cleared, because a fault in the handler itself, while it reports this one, is not the module's.
    let saved = SAVED.swap(0, Ordering::Relaxed);
    if saved == 0 {
        return None;
    }
    TRAPPED[0].store(trapped.vector, Ordering::Relaxed);
    TRAPPED[1].store(trapped.rip, Ordering::Relaxed);
    Some(Landing { rip: linker::module_trapped().as_u64(), rsp: saved })
}

/// A kernel function that runs for a module; while this value lives, an exception is the kernel's.
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
