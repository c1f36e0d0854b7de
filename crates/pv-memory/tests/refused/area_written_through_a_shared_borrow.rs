//! An area's bytes may be borrowed; writing takes the only reference.

use pv_memory::vmalloc::Area;
use xen::Hypervisor;

fn write(area: &Area, xen: &mut impl Hypervisor) {
    area.page_mut(xen, 0)[0] = 1;
}

fn main() {}
