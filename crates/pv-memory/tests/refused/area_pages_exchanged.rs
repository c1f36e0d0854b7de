//! Two areas may change places; their pages alone may not, or dropping one would unmap the other's.

use core::mem::swap;

use pv_memory::vmalloc::Area;

fn exchange(one: &mut Area, other: &mut Area) {
    swap(&mut one.span, &mut other.span);
}

fn main() {}
