//! What Xen's M2P says about a machine frame, and why that alone must not be trusted.
//!
//! M2P has one entry for each frame of the machine, whoever owns it, and Xen stores there what the owner asks for:
//! the entry of another domain's frame may well hold the number of one of this domain's pages. So an answer is a
//! [`Claim`]. It becomes a page only if the P2M names the same frame for that page, or if that was confirmed before.
//!
//! Even together the two arrays do not prove that the frame is the domain's own: whoever writes the P2M may write
//! another domain's frame there. Xen proves it when it maps the frame (`pv_memory::walk`, `docs/xen-abi.md`).
//!
//! Neighbours: `Hypervisor::m2p` makes claims, [`super::List`] and `pv_memory::p2m` confirm them.
//! Sources: xen/include/asm-x86/mm.h (`set_gpfn_from_mfn`); xen/arch/x86/mm.c (`MMU_MACHPHYS_UPDATE`).

use crate::addr::{Mfn, Pfn};

/// A page that M2P names for a machine frame, not confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a claim is worth nothing until the P2M confirms it"]
pub struct Claim {
    mfn: Mfn,
    pfn: Pfn,
}

impl Claim {
    /// Records that M2P has `pfn` for `mfn`.
    #[inline]
    pub const fn new(mfn: Mfn, pfn: Pfn) -> Self {
        Self { mfn, pfn }
    }

    /// Tells whether M2P names this page: enough for a caller that has the frame from `P2M[pfn]`.
    #[must_use]
    #[inline]
    pub fn names(self, pfn: Pfn) -> bool {
        self.pfn == pfn
    }

    /// Returns the page if the P2M has the same frame for it.
    #[must_use]
    pub fn confirmed(self, p2m: impl FnOnce(Pfn) -> Option<Mfn>) -> Option<Pfn> {
        (p2m(self.pfn) == Some(self.mfn)).then_some(self.pfn)
    }

    /// Returns the page of a frame that this kernel has confirmed before, when it made or found a page table or a
    /// page of the P2M there: M2P changes only at the owner's request, and this kernel gives no such frame back.
    #[must_use]
    pub const fn confirmed_before(self) -> Pfn {
        self.pfn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_the_p2m_does_not_name_is_nobodys_page() {
        let claim = Claim::new(Mfn::new(0x1234), Pfn::new(7));
        assert_eq!(claim.confirmed(|pfn| Some(Mfn::new(0x1234 + pfn.raw() - 7))), Some(Pfn::new(7)));
        assert_eq!(claim.confirmed(|_| Some(Mfn::new(0x1235))), None);
        assert_eq!(claim.confirmed(|_| None), None);
    }
}
