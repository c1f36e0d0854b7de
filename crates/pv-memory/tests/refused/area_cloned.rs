//! Mapped pages have one holder, whose end unmaps them.

use pv_memory::vmalloc::Area;

fn both(area: Area) -> [Area; 2] {
    [area.clone(), area]
}

fn main() {}
