//! A number is no page before somebody says so, by `Pfn::new`.

use pv_memory::window::Window;
use xen::addr::VirtAddr;

fn address(direct: &Window) -> VirtAddr {
    direct.address(0x1000)
}

fn main() {}
