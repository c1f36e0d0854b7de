//! Tree and machine-frame tree change in one step, in the one function that nobody else can call.

use pv_memory::p2m::{Moved, P2m};
use pv_memory::window::Window;
use xen::Hypervisor;

fn repoint(tree: &P2m<Moved>, window: &Window, xen: &mut impl Hypervisor) {
    let _ = tree.repoint(0, window, xen, &mut |_, _| Ok(None));
}

fn main() {}
