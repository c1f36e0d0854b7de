//! Runs a module's function: here the processor leaves the code of this project.
//!
//! Neighbours: `load` runs the init, `list` the exit.

use xen::addr::VirtAddr;
use xen::{Hypervisor, Trapped};

/// Calls `init_module` or `cleanup_module`.
#[expect(unsafe_code, reason = "runs the module: the one thing that no type can vouch for")]
pub(super) fn call<X: Hypervisor>(entry: VirtAddr, xen: &mut X) -> Result<i32, Trapped> {
    // SAFETY: the entry point lies in the module's text (`Entries::find`), which `load` has relocated for this
    // address and made executable; that it is `int (*)(void)` is the contract of `init_module` and `cleanup_module`.
    unsafe { xen.call(entry) }
}
