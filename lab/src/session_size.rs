//! What a machine with an initial domain and some guests needs: how much memory, which processor.
//!
//! The toolstack holds a guest's files while it builds it, and Xen keeps some bytes for each page. `session` starts
//! such a machine; `suite` and `bench` say which guests it is for.

use crate::guest::{Container, Guest};
use crate::qemu::Processor;

/// What a session's machine and its initial domain get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) dom0_mib: u64,
    pub(crate) total_mib: u64,
    pub(crate) processor: Processor,
}

impl Size {
    /// Enough for any one of `guests`.
    pub(crate) fn for_any(guests: &[&Guest]) -> Self {
        let dom0_mib = guests.iter().map(|guest| guest.builder_mib()).max().unwrap_or(512);
        let guest_mib = guests.iter().map(|guest| guest.most_mib()).max().unwrap_or(0);
        Self::with_guests(guests, dom0_mib, guest_mib)
    }

    /// Enough for all of `guests` one after the other, each of which stays.
    pub(crate) fn for_all(guests: &[&Guest]) -> Self {
        let dom0_mib = guests.iter().map(|guest| guest.builder_mib()).max().unwrap_or(512);
        Self::with_guests(guests, dom0_mib, guests.iter().map(|guest| guest.most_mib()).sum())
    }

    fn with_guests(guests: &[&Guest], dom0_mib: u64, guest_mib: u64) -> Self {
        // Xen keeps 40 bytes for each page, and some hundred MiB besides.
        let total_mib = dom0_mib + guest_mib + guest_mib / 32 + 512;
        let shim = guests.iter().any(|guest| matches!(guest.container, Container::Shim(_)));
        let processor = if shim { Processor::NestedPaging } else { Processor::Plain };
        Self { dom0_mib, total_mib, processor }
    }
}
