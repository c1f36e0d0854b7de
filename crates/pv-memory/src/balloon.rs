//! Giving memory back to Xen, and getting it again, while the P2M is in use.
//!
//! A page that goes loses, in this order, its mapping, its entry in the P2M, and its machine frame: a frame that is
//! still mapped would stay the domain's, although Xen says that it took it, and a P2M that names a frame of somebody
//! else's would be read by the toolstack. A page that comes back gets a frame, usually another one, then its entry, and
//! a mapping if it had one before.
//!
//! The pages between are the balloon's: it holds their runs, so nobody else can use them. Page tables, leaves of the
//! P2M and rings are never free, so they never go. Each step is a chunk of 512 pages at most; whatever ends the work in
//! the middle leaves nothing half done.
//!
//! Neighbours: `frames` lends the pages, `p2m::change` has the entries, `p2m::grow` makes room for pages that the domain
//! was not built with. Sources: xen/common/memory.c (decrease_reservation, populate_physmap), xen/include/public/memory.h.

mod resized;

use alloc::vec::Vec;

use crate::commit::Batch;
use crate::direct_map;
use crate::error::MmError;
use crate::frames::{Run, Zone};
use crate::memory::Memory;
use crate::p2m::{Physmap, Slot};
use crate::ranges::Ranges;
use crate::resources::Resources;
pub use resized::{Resized, Short};
use xen::addr::{Mfn, Pfn, PfnRange};
use xen::pte::Pte;
use xen::{Hypervisor, Reservation};

/// Pages for one round: a page of frame numbers.
const CHUNK: u64 = 512;
/// Free pages that stay, for page tables and for what the guest does next (4 MiB).
pub const KEPT: u64 = 1024;

/// The pages of the domain that have no frame, because they were given back or never had one.
#[derive(Debug, Default)]
pub struct Balloon {
    /// The last ones in are the first ones out; neighbours are one run.
    runs: Vec<Run>,
    /// Those that the direct map showed.
    shown: Ranges,
}

/// A P2M that may be changed, and what a change may need.
#[derive(Debug)]
pub struct House<'m> {
    /// The P2M.
    pub p2m: &'m mut Physmap,
    /// Page tables and free pages.
    pub resources: Resources<'m>,
}

impl House<'_> {
    fn memory(&mut self) -> Memory<'_> {
        let Resources { tables, frames } = &mut self.resources;
        Memory { tables, p2m: self.p2m, frames }
    }

    fn set<X: Hypervisor>(&mut self, xen: &mut X, pfn: Pfn, slot: Slot) -> Result<(), MmError> {
        self.p2m.set(&mut self.resources, xen, pfn, slot)
    }

    fn frame<X: Hypervisor>(&self, xen: &X, pfn: Pfn) -> Option<Mfn> {
        self.p2m.frame(self.resources.tables.window(), xen, pfn)
    }
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
        house: &mut House<'_>,
        xen: &mut X,
    ) -> Resized {
        let before = xen.owned_pages();
        let mut done = 0;
        let mut short = None;
        while done < pages && short.is_none() {
            let spare = house.resources.frames.free_pages().saturating_sub(KEPT);
            let wanted = (pages - done).min(CHUNK).min(spare);
            let zone = Zone::Far(house.resources.tables.window());
            let run = if wanted > 0 { house.resources.frames.take_up_to(zone, wanted).ok() } else { None };
            short = match run {
                None => Some(Short::InUse),
                Some(run) => self.give_up(run, &mut done, house, xen).err(),
            };
        }
        let gone = before.zip(xen.owned_pages()).map(|(before, now)| before.saturating_sub(now));
        let held = gone.map_or(0, |gone| done.saturating_sub(gone));
        let short = if held > 0 { Some(Short::Held { pages: held }) } else { short };
        Resized { pages: done, short }
    }

    /// Gives the pages of one run back, and adds how many they were to `done`. Those without a frame only become the
    /// balloon's.
    fn give_up<X: Hypervisor + Reservation>(
        &mut self,
        mut run: Run,
        done: &mut u64,
        house: &mut House<'_>,
        xen: &mut X,
    ) -> Result<(), Short> {
        let frames: Vec<Option<Mfn>> = run.pages().iter().map(|pfn| house.frame(xen, pfn)).collect();
        let solid = frames.iter().take_while(|frame| frame.is_some()).count();
        let frames: Vec<Mfn> = frames.into_iter().map_while(|frame| frame).collect();
        if solid == 0 {
            self.keep(run.split_front(1));
            return give_back(run, house);
        }
        let solid_run = run.split_front(solid as u64);
        give_back(run, house)?;
        self.let_go(solid_run, &frames, done, house, xen)
    }

    /// Gives up pages that all have frames.
    fn let_go<X: Hypervisor + Reservation>(
        &mut self,
        mut run: Run,
        frames: &[Mfn],
        done: &mut u64,
        house: &mut House<'_>,
        xen: &mut X,
    ) -> Result<(), Short> {
        let shown: Vec<PfnRange> = house.resources.tables.window().shown(run.pages()).collect();
        if let Err(error) = hide(&shown, house, xen) {
            house.resources.tables.release([run], error, house.resources.frames)?;
            return Err(error.into());
        }
        for pfn in run.pages().iter() {
            // An entry with a frame has a leaf of its own: nothing is needed, nothing can fail.
            house.set(xen, pfn, Slot::Missing)?;
        }
        let taken = xen.decrease_reservation(frames);
        let count = taken.unwrap_or(0);
        let gone = run.split_front(count as u64);
        *done += count as u64;
        let restored = restore(run, &frames[count..], &shown, house, xen);
        shown.iter().for_each(|part| self.note_shown(*part, gone.pages()));
        self.keep(gone);
        restored?;
        match taken {
            Err(errno) => Err(Short::Refused(errno)),
            Ok(count) if count < frames.len() => Err(Short::Xen),
            Ok(_) => Ok(()),
        }
    }

    fn note_shown(&mut self, part: PfnRange, gone: PfnRange) {
        let both = PfnRange::between(part.start.max(gone.start), part.end.min(gone.end));
        self.shown.insert(both);
    }

    /// Gets frames for up to `pages` pages.
    pub fn increase<X: Hypervisor + Reservation>(
        &mut self,
        pages: u64,
        house: &mut House<'_>,
        xen: &mut X,
    ) -> Resized {
        let mut done = 0;
        let mut short = None;
        while done < pages && short.is_none() {
            short = match self.runs.pop() {
                None => Some(Short::Whole),
                Some(mut run) => {
                    let wanted = (pages - done).min(CHUNK).min(run.pages().pages());
                    let part = run.split_front(wanted);
                    self.keep(run);
                    self.get(part, &mut done, house, xen).err()
                }
            };
        }
        Resized { pages: done, short }
    }

    /// Gets frames for the pages of a run, and adds how many it got to `done`.
    fn get<X: Hypervisor + Reservation>(
        &mut self,
        mut run: Run,
        done: &mut u64,
        house: &mut House<'_>,
        xen: &mut X,
    ) -> Result<(), Short> {
        let pages: Vec<Pfn> = run.pages().iter().collect();
        if let Err(error) = house.p2m.reserve(run.pages(), &mut house.resources, xen) {
            self.keep(run);
            return Err(error.into());
        }
        let mut frames = Vec::new();
        let given = xen.populate_physmap(&pages, &mut frames);
        for (pfn, mfn) in pages.iter().zip(&frames) {
            // The leaves are there: nothing can fail.
            house.set(xen, *pfn, Slot::Frame(*mfn))?;
        }
        let came = run.split_front(frames.len() as u64);
        self.keep(run);
        *done += frames.len() as u64;
        let shown: Vec<PfnRange> = self.shown.within(came.pages()).collect();
        shown.iter().for_each(|part| self.shown.remove(*part));
        let mapped = direct_map::extend(&mut house.memory(), &shown, xen);
        give_back(came, house)?;
        mapped?;
        match given {
            Err(errno) => Err(Short::Refused(errno)),
            Ok(()) if frames.len() < pages.len() => Err(Short::Xen),
            Ok(()) => Ok(()),
        }
    }

    /// Makes room in the P2M for `nr_pages` pages, for a domain that may become larger than it was built. The new pages
    /// are the last to get frames.
    ///
    /// # Errors
    /// As for [`Physmap::grow`]; nothing is changed then.
    pub fn reach<X: Hypervisor>(
        &mut self,
        nr_pages: u64,
        house: &mut House<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let first = Pfn::new(house.p2m.nr_pages());
        house.p2m.grow(nr_pages, &mut house.resources, xen)?;
        let new = PfnRange::between(first, Pfn::new(nr_pages));
        if !new.is_empty() {
            self.runs.insert(0, house.resources.frames.adopt(new)?);
        }
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

/// Takes pages out of the direct map, all or none.
fn hide<X: Hypervisor>(shown: &[PfnRange], house: &mut House<'_>, xen: &mut X) -> Result<(), MmError> {
    let tables = &mut *house.resources.tables;
    let mut batch = Batch::new();
    for pfn in shown.iter().flat_map(|part| part.iter()) {
        let (slot, entry) = tables.shown(xen, pfn)?;
        batch.change(slot, entry, Pte::ABSENT);
    }
    batch.commit(xen)?;
    shown.iter().for_each(|part| tables.window_mut().shrink(*part));
    Ok(())
}

/// Gives pages that Xen did not take their entries and mappings again, and makes them free.
fn restore<X: Hypervisor>(
    run: Run,
    frames: &[Mfn],
    shown: &[PfnRange],
    house: &mut House<'_>,
    xen: &mut X,
) -> Result<(), Short> {
    for (pfn, mfn) in run.pages().iter().zip(frames) {
        house.set(xen, pfn, Slot::Frame(*mfn))?;
    }
    let mine =
        |part: &PfnRange| PfnRange::between(part.start.max(run.pages().start), part.end.min(run.pages().end));
    let mine: Vec<PfnRange> = shown.iter().map(mine).filter(|part| !part.is_empty()).collect();
    let mapped = direct_map::extend(&mut house.memory(), &mine, xen);
    give_back(run, house)?;
    Ok(mapped?)
}

fn give_back(run: Run, house: &mut House<'_>) -> Result<(), Short> {
    Ok(house.resources.frames.give_back(run).map_err(MmError::from)?)
}
