//! The xenstore ring of the domain, once somebody has opened it.

use crate::addr::VirtAddr;
use crate::events::Port;
use crate::ring::BadRing;

use super::ring::{Ring, STORE_REPLIES, STORE_REQUESTS};
use super::{hypercall, shared};

/// An open store.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    page: VirtAddr,
    port: Port,
    /// The last bytes did not all find room: somebody waits for it.
    is_short: bool,
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Store({:#x}, event channel {})", self.page, self.port.number())
    }
}

impl Store {
    /// # Safety
    /// The store's ring must be mapped writable there, for good.
    pub(crate) const unsafe fn open(page: VirtAddr, port: Port) -> Self {
        Self { page, port, is_short: false }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<usize, BadRing> {
        let put = self.requests().put(bytes)?;
        self.is_short = put < bytes.len();
        self.notify(put);
        Ok(put)
    }

    pub(crate) fn take(&self, into: &mut [u8]) -> Result<usize, BadRing> {
        let taken = self.replies().take(into)?;
        self.notify(taken);
        Ok(taken)
    }

    /// Clears the event, and tells whether there is something to take, or room for what had none. Indices that cannot be
    /// are something: whoever looks gets the error.
    pub(crate) fn is_ready(&self) -> bool {
        shared::clear_event(self.port);
        let is_some = |bytes: Result<u32, BadRing>| bytes != Ok(0);
        is_some(self.replies().filled()) || self.is_short && is_some(self.requests().free())
    }

    pub(crate) const fn port(&self) -> Port {
        self.port
    }

    fn notify(&self, bytes: usize) {
        if bytes > 0 {
            // Xen refuses only if the other end is gone; the missing answer says so.
            let _ = hypercall::event_send(self.port.number());
        }
    }

    const fn requests(&self) -> Ring {
        // SAFETY: mapped, by the contract of `open`.
        unsafe { Ring::new(self.page, STORE_REQUESTS) }
    }

    const fn replies(&self) -> Ring {
        // SAFETY: as above.
        unsafe { Ring::new(self.page, STORE_REPLIES) }
    }
}
