//! Only stage 6 retires a list, when no leaf points to it any more.

use pv_memory::p2m::Retired;
use xen::addr::VirtRange;

fn retire(high: VirtRange) -> Retired {
    Retired { high, pages: Vec::new() }
}

fn main() {}
