//! Giving memory back to Xen, and getting it again, while the P2M is in use.
//!
//! A page that goes loses, in this order, its mapping, its entry in the P2M, and its machine frame: a frame that is
//! still mapped would stay the domain's, although Xen says that it took it, and a P2M that names a frame of somebody
//! else's would be read by the toolstack. A page that comes back gets a frame, usually another one, then its entry, and
//! a mapping if it had one before.
//!
//! The balloon holds the pages without a frame, so nobody else can use them. Page tables, leaves of the P2M and rings
//! are never free, so they never go. Each step is a chunk of 512 pages at most. Whatever ends the work in the middle
//! leaves every page as it was or as it should be; one whose mapping Xen would not undo is withheld for good.
//!
//! Tables and leaves must lie where the direct map shows them, and a domain that grows needs more of them. So as soon
//! as few free pages are shown, the pages that come are shown too.
//!
//! Neighbours: `frames` lends the pages, `p2m::change` has the entries, `p2m::grow` makes room for pages that the
//! domain was not built with. Sources: xen/include/public/memory.h; xen/common/memory.c (decrease_reservation,
//! populate_physmap).

mod entries;
mod resized;

use alloc::vec::Vec;

pub use self::entries::MemoryMut;
use self::entries::{hide, restore, shared};
pub use self::resized::{Resized, Short};
use crate::direct_map;
use crate::error::MmError;
use crate::frames::{FrameError, Run, Zone};
use crate::ranges::Ranges;
use xen::addr::{ENTRIES, Mfn, Pfn, PfnRange};
use xen::{Hypervisor, Reservation};

/// Pages for one round: a page of frame numbers.
const CHUNK: u64 = 512;
/// Free pages that stay when memory is given back (4 MiB).
pub const KEPT: u64 = 1024;
/// Free pages that the direct map shows at least, as long as pages come (1 MiB).
const SHOWN: u64 = 256;

/// The pages of the domain that have no frame, because they were given back or never had one.
#[derive(Debug, Default)]
pub struct Balloon {
    /// The last ones in are the first ones out; neighbours are one run.
    runs: Vec<Run>,
    /// Those that the direct map showed.
    shown: Ranges,
}

impl Balloon {
    /// Starts empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { runs: Vec::new(), shown: Ranges::new() }
    }

    /// Returns how many pages have no frame.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.runs.iter().map(|run| run.pages().pages()).sum()
    }

    /// Gives up to `pages` pages back to Xen.
    pub fn decrease<X: Hypervisor + Reservation>(
        &mut self,
        pages: u64,
        memory: &mut MemoryMut<'_>,
        xen: &mut X,
    ) -> Resized {
        let before = xen.owned_pages();
        let mut done = 0;
        let mut short = None;
        while done < pages && short.is_none() {
            let spare = memory.resources.frames.free_pages().saturating_sub(KEPT);
            let wanted = (pages - done).min(CHUNK).min(spare);
            let zone = Zone::Far(memory.resources.tables.window());
            let run = if wanted > 0 { memory.resources.frames.take_up_to(zone, wanted).ok() } else { None };
            short = match run {
                None => Some(Short::InUse),
                Some(run) => self.decrease_by(run, &mut done, memory, xen).err(),
            };
        }
        let gone = before.zip(xen.owned_pages()).map(|(before, now)| before.saturating_sub(now));
        let held = gone.map_or(0, |gone| done.saturating_sub(gone));
        let short = if held > 0 { Some(Short::Held { pages: held }) } else { short };
        Resized { pages: done, short }
    }

    /// Gives the first pages of a run back, up to the first that has no frame, and adds how many they were to `done`. A
    /// page without a frame only becomes the balloon's.
    fn decrease_by<X: Hypervisor + Reservation>(
        &mut self,
        mut run: Run,
        done: &mut u64,
        memory: &mut MemoryMut<'_>,
        xen: &mut X,
    ) -> Result<(), Short> {
        let frames: Vec<Mfn> = run.pages().iter().map_while(|pfn| memory.frame(xen, pfn)).collect();
        if frames.is_empty() {
            self.keep(run.split_front(1));
            return Ok(memory.free(run)?);
        }
        let backed = run.split_front(frames.len() as u64);
        memory.free(run)?;
        self.give_back(backed, &frames, done, memory, xen)
    }

    /// Gives pages back that all have frames.
    fn give_back<X: Hypervisor + Reservation>(
        &mut self,
        mut run: Run,
        frames: &[Mfn],
        done: &mut u64,
        memory: &mut MemoryMut<'_>,
        xen: &mut X,
    ) -> Result<(), Short> {
        let first = run.first();
        let shown: Vec<PfnRange> = memory.resources.tables.window().shown(run.pages()).collect();
        if let Err(error) = hide(&shown, memory, xen) {
            memory.release(run, error)?;
            return Err(error.into());
        }
        run.pages().iter().for_each(|pfn| memory.clear(xen, pfn));
        let taken = xen.decrease_reservation(frames);
        let count = taken.unwrap_or(0);
        let gone = run.split_front(count as u64);
        *done += count as u64;
        shown.iter().for_each(|part| self.shown.insert(shared(*part, gone.pages())));
        self.keep(gone);
        restore(run, &frames[count..], &shown, memory, xen)?;
        match taken {
            Err(errno) => Err(Short::DecreaseRefused { first, errno }),
            Ok(count) if count < frames.len() => Err(Short::NotTaken),
            Ok(_) => Ok(()),
        }
    }

    /// Gets frames for up to `pages` pages.
    pub fn increase<X: Hypervisor + Reservation>(
        &mut self,
        pages: u64,
        memory: &mut MemoryMut<'_>,
        xen: &mut X,
    ) -> Resized {
        let mut done = 0;
        let mut short = None;
        while done < pages && short.is_none() {
            short = match self.runs.pop() {
                None => Some(Short::AllBacked),
                Some(mut run) => {
                    let wanted = (pages - done).min(CHUNK).min(run.pages().pages());
                    let part = run.split_front(wanted);
                    self.keep(run);
                    self.populate(part, &mut done, memory, xen).err()
                }
            };
        }
        Resized { pages: done, short }
    }

    /// Gets frames for the pages of a run, and adds how many it got to `done`.
    fn populate<X: Hypervisor + Reservation>(
        &mut self,
        mut run: Run,
        done: &mut u64,
        memory: &mut MemoryMut<'_>,
        xen: &mut X,
    ) -> Result<(), Short> {
        let (first, pages) = (run.first(), run.pages().iter().collect::<Vec<Pfn>>());
        if let Err(error) = memory.p2m.reserve(run.pages(), &mut memory.resources, xen) {
            self.keep(run);
            return Err(error.into());
        }
        let mut frames = Vec::new();
        let given = xen.populate_physmap(&pages, &mut frames);
        pages.iter().zip(&frames).for_each(|(pfn, mfn)| memory.enter(xen, *pfn, *mfn));
        let came = run.split_front(frames.len() as u64);
        self.keep(run);
        *done += frames.len() as u64;
        self.show(came, memory, xen)?;
        match given {
            Err(errno) => Err(Short::PopulateRefused { first, errno }),
            Ok(()) if frames.len() < pages.len() => Err(Short::NotGiven),
            Ok(()) => Ok(()),
        }
    }

    /// Maps pages that came back if they were mapped before, or if few free pages are; then they are free.
    fn show<X: Hypervisor>(
        &mut self,
        came: Run,
        memory: &mut MemoryMut<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let is_scarce = memory.free_shown() < SHOWN;
        let shown: Vec<PfnRange> =
            if is_scarce { [came.pages()].into() } else { self.shown.within(came.pages()).collect() };
        self.shown.remove(came.pages());
        match direct_map::extend(&mut memory.as_memory(), &shown, xen) {
            Ok(()) => memory.free(came),
            Err(error) => memory.release(came, error).and(Err(error)),
        }
    }

    /// Makes room in the P2M for `nr_pages` pages, for a domain that may become larger than it was built. The new
    /// pages are the last to get frames.
    ///
    /// # Errors
    /// As for [`Physmap::grow`](crate::p2m::Physmap::grow), and [`MmError::Frames`] if that would take the pages that
    /// the domain needs; nothing is changed then.
    pub fn make_room<X: Hypervisor>(
        &mut self,
        nr_pages: u64,
        memory: &mut MemoryMut<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let first = Pfn::new(memory.p2m.nr_pages());
        let new = PfnRange::between(first, Pfn::new(nr_pages));
        if new.is_empty() {
            return Ok(());
        }
        // A table or two for each GiB, whichever form the P2M has.
        let wanted = 2 * new.pages().div_ceil(ENTRIES * ENTRIES) + 8;
        let free = memory.free_shown();
        if free.saturating_sub(SHOWN / 2) < wanted {
            return Err(FrameError::Exhausted { wanted, free }.into());
        }
        memory.p2m.grow(nr_pages, &mut memory.resources, xen)?;
        self.runs.insert(0, memory.resources.frames.adopt(new)?);
        Ok(())
    }

    /// Keeps a run, as one with its neighbour if that came just before.
    fn keep(&mut self, mut run: Run) {
        if run.pages().is_empty() {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last.pages().end == run.first() => last.join(run),
            Some(last) if run.pages().end == last.first() => {
                core::mem::swap(last, &mut run);
                last.join(run);
            }
            _ => self.runs.push(run),
        }
    }
}
