//! Who may read a page through a window may not write it: that takes the page's run.

use pv_memory::window::Window;
use xen::Hypervisor;
use xen::addr::Pfn;

fn write(window: &Window, xen: &mut impl Hypervisor, pfn: Pfn) {
    window.page_mut(xen, pfn, 0)[0] = 1;
}

fn main() {}
