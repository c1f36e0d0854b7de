//! The direct map is ordered by the guest's numbers, not by the machine's.

use pv_memory::window::Window;
use xen::addr::{Mfn, VirtAddr};

fn address(direct: &Window, mfn: Mfn) -> VirtAddr {
    direct.address(mfn)
}

fn main() {}
