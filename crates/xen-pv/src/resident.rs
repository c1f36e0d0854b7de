//! What a guest needs that stays: memory to give back and to get, a console to read, xenstore, and a way to wait.
//!
//! A boot needs none of this, so it is not part of [`Hypervisor`](crate::Hypervisor); a kernel that stays asks for both.
//! Real Xen (`rt::live`) and a model of it implement it.
//!
//! Sources: xen/include/public/{memory.h, sched.h, io/console.h, io/xs_wire.h}.

use alloc::vec::Vec;

use crate::Errno;
use crate::addr::{Mfn, Pfn, VirtAddr};
use crate::events::Port;
use crate::ring::BadRing;
use crate::time::Instant;

/// The domain's memory, as Xen counts it.
pub trait Reservation {
    /// Gives machine frames back to Xen, in order; returns how many it took.
    ///
    /// A frame that is still mapped somewhere stays the domain's until that mapping goes, although Xen takes it: whoever
    /// gives frames back compares [`Lookup::owned_pages`](crate::Lookup::owned_pages).
    ///
    /// # Errors
    /// Xen's error; then it took none. (Where Xen cannot take the first frame, it says that it took none.)
    fn decrease_reservation(&mut self, frames: &[Mfn]) -> Result<usize, Errno>;

    /// Asks for a machine frame for each of some pages, in order, and puts those that it got into `frames`, which is
    /// emptied before: fewer if the domain has as many as it may have, or the machine has no more, even none. The pages
    /// are given to Xen's M2P; the P2M and the mappings are the guest's own affair.
    ///
    /// # Errors
    /// Xen's error; then it gave none.
    fn populate_physmap(&mut self, pages: &[Pfn], frames: &mut Vec<Mfn>) -> Result<(), Errno>;
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something typed, or something from the store.
    Anything,
    /// The store only: for somebody who has a question under way.
    Store,
}

/// The world of a guest that stays.
#[expect(unsafe_code, reason = "declares the seam; the contract of each unsafe method is its `# Safety`")]
pub trait Resident: Reservation {
    /// Takes what was typed at the console; returns how many bytes, 0 if there are none.
    fn typed(&mut self, into: &mut [u8]) -> usize;

    /// Uses the xenstore ring that is mapped at `at`, and its event channel.
    ///
    /// # Safety
    /// The ring's page must be mapped there writable, for good.
    unsafe fn open_store(&mut self, at: VirtAddr, port: Port);

    /// Uses the store no more: what it says wakes nobody.
    fn close_store(&mut self);

    /// Puts bytes into the store's ring and notifies it; returns how many found room. 0 if no store is open.
    ///
    /// # Errors
    /// [`BadRing`] if the indices cannot be.
    fn store_put(&mut self, bytes: &[u8]) -> Result<usize, BadRing>;

    /// Takes bytes out of the store's ring and notifies it; returns how many there were.
    ///
    /// # Errors
    /// [`BadRing`] if the indices cannot be.
    fn store_take(&mut self, into: &mut [u8]) -> Result<usize, BadRing>;

    /// Sleeps until there is something, or until a time. Returns at once if there is something already.
    fn wait(&mut self, on: Wake, until: Option<Instant>);

    /// Returns Xen's system time.
    fn now(&self) -> Instant;
}
