//! The direct map is ordered by the guest's numbers, not by the machine's.

use pv_memory::direct_map;
use xen::addr::{Mfn, VirtAddr};

fn address(mfn: Mfn) -> VirtAddr {
    direct_map::address(mfn)
}

fn main() {}
