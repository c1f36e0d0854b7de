//! A window grows by what Xen has mapped, not by what somebody wants to read.

use pv_memory::window::Window;
use xen::addr::PfnRange;

fn more(window: &mut Window, pages: PfnRange) {
    window.extend(pages);
}

fn main() {}
