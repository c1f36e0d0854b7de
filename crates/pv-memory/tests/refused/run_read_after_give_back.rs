//! Bytes are borrowed from the run that owns their pages.

use pv_memory::frames::{Frames, Run};
use pv_memory::window::Window;
use xen::Hypervisor;

fn first(run: Run, frames: &mut Frames, window: &Window, xen: &impl Hypervisor) -> u8 {
    let bytes = window.bytes(xen, &run, 16);
    let _ = frames.give_back(run);
    bytes[0]
}

fn main() {}
