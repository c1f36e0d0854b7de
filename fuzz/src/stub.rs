//! The least that start_info can be parsed with: an M2P, and a list where the builder says that it is.

use xen::addr::{Mfn, Pfn, VirtAddr};
use xen::{Claim, Faulted, Lookup};

/// Machine whose frames from `first` on are the domain's, in order.
#[derive(Clone, Copy, Debug)]
pub struct Stub {
    /// Machine frame of page 0.
    pub first: u64,
    /// Pages of the domain.
    pub pages: u64,
    /// Where the list is.
    pub list: u64,
}

impl Lookup for Stub {
    fn m2p(&self, mfn: Mfn) -> Option<Claim> {
        let pfn = mfn.raw().checked_sub(self.first).filter(|pfn| *pfn < self.pages)?;
        Some(Claim::new(mfn, Pfn::new(pfn)))
    }

    fn probe(&self, at: VirtAddr) -> Result<u64, Faulted> {
        let offset = at.as_u64().checked_sub(self.list).ok_or(Faulted)?;
        if offset < self.pages * 8 { Ok(self.first + offset / 8) } else { Err(Faulted) }
    }
}
