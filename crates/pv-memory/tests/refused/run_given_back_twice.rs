//! Pages cannot be given back twice by one holder.

use pv_memory::frames::{FrameError, Frames, Run};

fn twice(run: Run, frames: &mut Frames) -> Result<(), FrameError> {
    frames.give_back(run)?;
    frames.give_back(run)
}

fn main() {}
