//! The builder's P2M list, read where the builder mapped it: it confirms claims before there is a tree.
//!
//! start_info gives an address and a length, both unverified. Until `pv_memory::walk` has checked the page tables a
//! read may fault or return anything, so each read is allowed to fault, and its result is only used to confirm what
//! another source said. When the walk is over, the mapping that these reads go through has been proved.
//!
//! Neighbours: `start_info` confirms rings with it, `pv_memory::walk` each page that is mapped.

use crate::Lookup;
use crate::abi::StartInfo;
use crate::addr::{Mfn, Pfn, VirtAddr};

/// The list: where, and how many entries.
#[derive(Clone, Copy, Debug)]
pub struct List {
    start: VirtAddr,
    entries: u64,
}

impl List {
    /// Describes the list of a domain with `entries` pages.
    #[must_use]
    pub const fn new(start: VirtAddr, entries: u64) -> Self {
        Self { start, entries }
    }

    /// Describes the list that start_info names; `None` if its address is not valid.
    #[must_use]
    pub fn of(raw: &StartInfo) -> Option<Self> {
        let start = VirtAddr::try_new(raw.mfn_list).ok()?;
        Some(Self::new(start, raw.nr_pages))
    }

    /// Returns the number of entries.
    #[must_use]
    pub const fn entries(self) -> u64 {
        self.entries
    }

    /// Returns the address of a page's entry.
    #[must_use]
    pub const fn address(self, pfn: Pfn) -> VirtAddr {
        VirtAddr::new_truncate(self.start.as_u64().wrapping_add(pfn.raw().wrapping_mul(8)))
    }

    /// Reads a page's entry; `None` for a hole, after the end, and where nothing is mapped.
    pub fn frame<X: Lookup>(self, xen: &X, pfn: Pfn) -> Option<Mfn> {
        let word = (pfn.raw() < self.entries).then(|| xen.probe(self.address(pfn)).ok())??;
        Mfn::from_p2m(word)
    }

    /// Returns the page of the domain that a machine frame backs: M2P names one, and the list must confirm it.
    pub fn page_of<X: Lookup>(self, xen: &X, mfn: Mfn) -> Option<Pfn> {
        xen.m2p(mfn)?.confirmed(|pfn| self.frame(xen, pfn))
    }
}
