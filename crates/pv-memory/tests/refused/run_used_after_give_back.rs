//! A run that was given back is gone, and so is the right to write to its pages.

use pv_memory::frames::{FrameError, Frames, Run};
use pv_memory::window::Window;
use xen::Hypervisor;

fn write(run: Run, frames: &mut Frames, window: &Window, xen: &mut impl Hypervisor) -> Result<(), FrameError> {
    frames.give_back(run)?;
    window.page_mut(xen, &run, 0)[0] = 1;
    Ok(())
}

fn main() {}
