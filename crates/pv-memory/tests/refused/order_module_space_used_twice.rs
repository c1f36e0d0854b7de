//! The module area has one holder: two would map over each other.

use pv_memory::cleanup::ModuleSpace;
use pv_memory::vmalloc::Vmalloc;

fn twice(space: ModuleSpace) -> [Vmalloc; 2] {
    [Vmalloc::new(space), Vmalloc::new(space)]
}

fn main() {}
