//! The outside world of a guest that stays: its console, the store, a clock that jumps while the guest sleeps.
//!
//! A test plans what happens outside. Nothing happens while the guest has something to do; when it sleeps, the next
//! planned thing does. A guest that sleeps without an end when nothing is planned any more would sleep forever: the
//! model panics and says so.
//!
//! Neighbours: `daemon` is the store, `machine` has the frames, `outside` what is planned.

use alloc::vec::Vec;

use crate::contents::SCRUB;
use crate::daemon::Daemon;
use crate::heap::Running;
use crate::machine::Left;
use crate::outside::Happening;
use crate::state::Xen;
use xen::addr::{Mfn, Pfn, VirtAddr};
use xen::events::Port;
use xen::ring::BadRing;
use xen::time::Instant;
use xen::{CallKind, Errno, Reservation, Resident, Wake};

impl Xen {
    /// Plans what happens, one thing each time the guest sleeps.
    pub fn plan(&mut self, happenings: impl IntoIterator<Item = Happening>) {
        self.outside.planned.extend(happenings);
    }

    /// Returns the store.
    pub const fn store(&mut self) -> &mut Daemon {
        &mut self.outside.daemon
    }

    /// Returns how often the guest slept.
    #[must_use]
    pub const fn sleeps(&self) -> u64 {
        self.outside.sleeps
    }

    /// Sets the most pages that the domain may have.
    pub const fn set_most_pages(&mut self, pages: u64) {
        self.memory.machine.set_most(pages);
    }

    /// Takes a frame back; `false` if it is not the domain's. Mirrors `guest_remove_page`.
    fn take_frame(&mut self, mfn: Mfn) -> bool {
        let Some(pfn) = self.memory.machine.pfn(mfn) else { return false };
        let left = if self.kind(mfn).is_some() { Left::Mapped } else { Left::Unused };
        self.memory.machine.release(pfn, mfn, left);
        true
    }

    /// Gives a page a frame with somebody else's content.
    fn give_frame(&mut self, pfn: Pfn) -> Option<Mfn> {
        let mfn = self.memory.machine.give(pfn)?;
        self.memory.fill(mfn, SCRUB);
        Some(mfn)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Typed(bytes) => self.outside.typed.extend(bytes),
            Happening::Written { path, value } => self.outside.daemon.set(path, &value),
            Happening::MostPages(pages) => self.memory.machine.set_most(pages),
            Happening::TimePasses(nanos) => self.outside.now += nanos,
        }
    }

    fn is_ready(&self, on: Wake) -> bool {
        self.outside.is_open && self.outside.daemon.wakes()
            || on == Wake::Anything && !self.outside.typed.is_empty()
    }
}

impl Reservation for Xen {
    fn decrease_reservation(&mut self, frames: &[Mfn]) -> Result<usize, Errno> {
        let _host = Running::host();
        self.work.calls.add(CallKind::Other);
        let most = match self.script.next() {
            // A failure in the middle, or at the first element, is a count on real Xen; an error means that nothing was tried.
            Some(refusal) if refusal.errno == Errno::EPERM => return Err(refusal.errno),
            Some(refusal) => refusal.element,
            None => frames.len(),
        };
        Ok(frames.iter().take(most).take_while(|mfn| self.take_frame(**mfn)).count())
    }

    fn populate_physmap(&mut self, pages: &[Pfn], frames: &mut Vec<Mfn>) -> Result<(), Errno> {
        let most = match self.script.next() {
            // A failure in the middle, or at the first element, is a count on real Xen; an error means that nothing was tried.
            Some(refusal) if refusal.errno == Errno::EPERM => return Err(refusal.errno),
            Some(refusal) => refusal.element,
            None => pages.len(),
        };
        frames.clear();
        frames.reserve_exact(pages.len());
        let _host = Running::host();
        self.work.calls.add(CallKind::Other);
        frames.extend(pages.iter().take(most).map_while(|pfn| self.give_frame(*pfn)));
        Ok(())
    }
}

#[expect(unsafe_code, reason = "implements the seam; every access is checked by the modelled tables instead")]
impl Resident for Xen {
    fn typed(&mut self, into: &mut [u8]) -> usize {
        let _host = Running::host();
        let count = into.len().min(self.outside.typed.len());
        into.iter_mut().zip(self.outside.typed.drain(..count)).for_each(|(place, byte)| *place = byte);
        count
    }

    unsafe fn open_store(&mut self, at: VirtAddr, _: Port) {
        let _host = Running::host();
        let mapping = self.mapping(at).expect("the store's ring is mapped");
        assert!(mapping.writable, "the store's ring at {at:#x} cannot be written");
        self.outside.is_open = true;
    }

    fn close_store(&mut self) {
        self.outside.is_open = false;
    }

    fn store_put(&mut self, bytes: &[u8]) -> Result<usize, BadRing> {
        let _host = Running::host();
        if self.outside.is_open { self.outside.daemon.put(bytes) } else { Ok(0) }
    }

    fn store_take(&mut self, into: &mut [u8]) -> Result<usize, BadRing> {
        let _host = Running::host();
        if self.outside.is_open { self.outside.daemon.take(into) } else { Ok(0) }
    }

    fn wait(&mut self, on: Wake, until: Option<Instant>) {
        let _host = Running::host();
        if self.is_ready(on) {
            return;
        }
        self.outside.sleeps += 1;
        let next = if on == Wake::Anything { self.outside.planned.pop_front() } else { None };
        if let Some(happening) = next {
            self.happen(happening);
        } else {
            let until = until.expect("the guest sleeps, and nothing will ever wake it");
            self.outside.now = self.outside.now.max(until.nanos());
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.outside.now)
    }
}
