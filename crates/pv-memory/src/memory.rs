//! Memory of a domain whose P2M is built: page tables, P2M and free pages, which nearly every change needs together.
//!
//! It hands out pages that have a machine frame, and pages that have been mapped as well. The allocator counts pages;
//! the P2M knows which of them are holes. A page without a frame cannot be used. It is found when somebody wants to use
//! it, and then leaves the allocator for good: scanning the whole P2M for holes at boot would cost more than all the
//! rest.
//!
//! The seam is passed separately: it is borrowed mutably while the rest is read.
//!
//! Neighbours: `p2m::revector`, `cleanup`, `vmalloc`, `direct_map`, `limits` and the loader of modules are lent one.

use alloc::vec::Vec;

use crate::error::MmError;
use crate::frames::{FrameError, Frames, Run, Zone, give_back};
use crate::p2m::{FrameReader, Physmap};
use crate::tables::Tables;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::Pfn;

/// The most runs that a request may be split into: the list of them is in the heap, where nothing may grow with the
/// domain. No builder leaves holes; a domain with so many has made them itself.
const MOST_PIECES: usize = 512;

/// Maps pages that have just been taken.
pub(crate) type Map<'f, X> = dyn Fn(&[Run], &mut Memory<'_>, &mut X) -> Result<(), MmError> + 'f;

/// The memory of a domain, lent for one piece of work.
#[derive(Debug)]
pub struct Memory<'m> {
    /// The page tables, and the window through which pages are reached.
    pub tables: &'m mut Tables,
    /// The P2M, to know the machine frames of pages.
    pub p2m: &'m Physmap,
    /// The free pages.
    pub frames: &'m mut Frames,
}

impl Memory<'_> {
    /// Returns the window through which pages are read and written.
    #[must_use]
    pub const fn window(&self) -> &Window {
        self.tables.window()
    }

    /// Takes `wanted` pages that have a frame and has `map` map them; none stays taken if it cannot.
    pub(crate) fn take_mapped<X: Hypervisor>(
        &mut self,
        wanted: u64,
        xen: &mut X,
        map: &Map<'_, X>,
    ) -> Result<Vec<Run>, MmError> {
        let runs = self.take_backed(wanted, xen)?;
        if let Err(error) = map(&runs, self, xen) {
            self.tables.release(runs, error, self.frames)?;
            return Err(error);
        }
        Ok(runs)
    }

    /// Takes `wanted` pages that have a frame, in as few runs as possible; prefers those that no mapping shows.
    ///
    /// Fails if there are not so many, or only in very many pieces; nothing stays taken then.
    fn take_backed<X: Hypervisor>(&mut self, wanted: u64, xen: &X) -> Result<Vec<Run>, MmError> {
        let Self { tables, p2m, frames } = self;
        let window = tables.window();
        let mut reader = FrameReader::new(*p2m, window);
        let mut backed = |pfn: &Pfn| reader.frame(xen, *pfn).is_ok();
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
