//! The seam of a guest that stays, on real Xen: memory, console input, xenstore, sleep.
//!
//! Sleep is `SCHEDOP_poll`: it returns when one of some event channels is pending, masked or not, so that no event ever
//! interrupts. Events are cleared before their rings are looked at: what comes after the look sets them again.

use alloc::vec::Vec;

use crate::addr::{Mfn, Pfn, VirtAddr};
use crate::events::Port;
use crate::ring::BadRing;
use crate::time::Instant;
use crate::{Errno, Reservation, Resident, Wake};

use super::console::{self, Typing};
use super::live::Live;
use super::store::Store;
use super::{clock, hypercall};

/// How often a console without an event channel is looked at.
const LOOK_NANOS: u64 = 10_000_000;

impl Reservation for Live {
    fn decrease_reservation(&mut self, frames: &[Mfn]) -> Result<usize, Errno> {
        let mut extents: Vec<u64> = frames.iter().map(|mfn| mfn.raw()).collect();
        // Not more than there are: fits any usize.
        hypercall::decrease_reservation(&mut extents).map(|taken| taken as usize)
    }

    fn populate_physmap(&mut self, pages: &[Pfn], frames: &mut Vec<Mfn>) -> Result<(), Errno> {
        let mut extents: Vec<u64> = pages.iter().map(|pfn| pfn.raw()).collect();
        let given = hypercall::populate_physmap(&mut extents)?;
        frames.clear();
        // Not more than there are: fits any usize.
        frames.extend(extents.iter().take(given as usize).map(|raw| Mfn::new(*raw)));
        Ok(())
    }
}

impl Resident for Live {
    fn typed(&mut self, into: &mut [u8]) -> usize {
        console::typed(into)
    }

    unsafe fn open_store(&mut self, at: VirtAddr, port: Port) {
        // SAFETY: the caller's clause is the callee's.
        self.store = Some(unsafe { Store::open(at, port) });
    }

    fn close_store(&mut self) {
        self.store = None;
    }

    fn store_put(&mut self, bytes: &[u8]) -> Result<usize, BadRing> {
        self.store.as_mut().map_or(Ok(0), |store| store.put(bytes))
    }

    fn store_take(&mut self, into: &mut [u8]) -> Result<usize, BadRing> {
        self.store.as_ref().map_or(Ok(0), |store| store.take(into))
    }

    fn wait(&mut self, on: Wake, until: Option<Instant>) {
        let mut ports = Vec::new();
        let mut until = until;
        if let Some(store) = &self.store {
            if store.is_ready() {
                return;
            }
            ports.push(store.port().number());
        }
        match (on, console::await_typing()) {
            (Wake::Store, _) => {}
            (Wake::Anything, Typing::Already) => return,
            (Wake::Anything, Typing::Event(port)) => ports.push(port.number()),
            (Wake::Anything, Typing::Look) => {
                let soon = clock::system_time().plus(LOOK_NANOS);
                until = Some(until.map_or(soon, |until| until.min(soon)));
            }
        }
        if hypercall::poll(&ports, until.map_or(0, Instant::nanos)).is_err() {
            // An event channel that Xen does not know is no reason to use all the processor's time.
            let _ = hypercall::poll(&[], clock::system_time().plus(LOOK_NANOS).nanos());
        }
    }

    fn now(&self) -> Instant {
        clock::system_time()
    }
}
