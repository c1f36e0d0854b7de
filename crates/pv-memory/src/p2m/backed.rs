//! Free pages that have a machine frame: the allocator counts pages, the P2M knows which of them are holes.
//!
//! A page without a frame is nobody's memory. It is found when somebody wants to use it, and leaves the allocator
//! for good then: scanning the whole P2M for holes at boot would cost more than all the rest.
//!
//! Neighbours: `revector` and `vmalloc` take pages here; `frames` counts them.

use alloc::vec::Vec;

use super::tree::{INVALID, P2m, State};
use crate::error::MmError;
use crate::frames::{FrameError, Frames, Run, Zone, give_back};
use crate::window::Window;
use xen::addr::{ENTRIES, Mfn, Pfn};
use xen::{Hypervisor, Words};

/// Most runs that a request may come in: the list of them is in the heap, and nothing there may follow the domain's
/// size. No builder leaves holes; a domain that has so many has them by its own doing.
const MOST_PIECES: usize = 512;

/// Looks up machine frames of rising pfns, a leaf at a time.
pub(crate) struct FrameReader<'p, S: State> {
    p2m: &'p P2m<S>,
    slot: Pfn,
    words: Words,
}

impl<'p, S: State> FrameReader<'p, S> {
    pub(crate) const fn new(p2m: &'p P2m<S>) -> Self {
        Self { p2m, slot: Pfn::new(u64::MAX), words: [INVALID; 512] }
    }

    pub(crate) fn frame<X: Hypervisor>(
        &mut self,
        window: &Window,
        xen: &X,
        pfn: Pfn,
    ) -> Result<Mfn, MmError> {
        if self.slot != pfn.slot_start() {
            self.slot = pfn.slot_start();
            self.words = self.p2m.leaf_words(window, xen, self.slot);
        }
        // Below 512: fits any usize.
        Mfn::from_p2m(self.words[(pfn.raw() % ENTRIES) as usize]).ok_or(MmError::NoFrame { pfn })
    }
}

impl<S: State> P2m<S> {
    /// Takes `wanted` pages that have a frame, in as few runs as possible; prefers those that no mapping shows.
    ///
    /// # Errors
    /// [`MmError::Frames`] if there are not so many, or only in very many pieces; nothing stays taken then.
    pub fn take_backed<X: Hypervisor>(
        &self,
        wanted: u64,
        window: &Window,
        frames: &mut Frames,
        xen: &X,
    ) -> Result<Vec<Run>, MmError> {
        let mut reader = FrameReader::new(self);
        let mut backed = |pfn: &Pfn| reader.frame(window, xen, *pfn).is_ok();
        let mut runs = Vec::new();
        let mut missing = wanted;
        while missing > 0 {
            let Ok(mut run) = frames.take_up_to(Zone::Far(window), missing) else {
                give_back(runs, frames)?;
                return Err(FrameError::Exhausted { wanted, free: frames.free_pages() }.into());
            };
            let solid = run.pages().iter().take_while(&mut backed).count() as u64;
            let front = run.split_front(solid);
            missing -= solid;
            if solid > 0 {
                runs.push(front);
            }
            if runs.len() > MOST_PIECES {
                frames.give_back(run)?;
                give_back(runs, frames)?;
                return Err(FrameError::Scattered { wanted, most: MOST_PIECES }.into());
            }
            let holes = run.pages().iter().take_while(|pfn| !backed(pfn)).count() as u64;
            frames.discard(run.split_front(holes));
            frames.give_back(run)?;
        }
        Ok(runs)
    }
}
