//! A run is made by the allocator only: a range of numbers owns nothing.

use pv_memory::frames::Run;
use xen::addr::PfnRange;

fn own(pages: PfnRange) -> Run {
    Run { pages }
}

fn main() {}
