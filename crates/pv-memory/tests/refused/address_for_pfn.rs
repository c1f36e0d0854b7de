//! An address is no page, although a page has addresses.

use pv_memory::window::Window;
use xen::addr::VirtAddr;

fn again(direct: &Window, at: VirtAddr) -> VirtAddr {
    direct.address(at)
}

fn main() {}
