//! Hypercalls that fail on request: what would a boot do if Xen refused this one?

use crate::xen::Errno;

/// A hypercall to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which one: 0 is the first after the build.
    pub hypercall: u64,
    /// For a batch: elements that still take effect; at most all but the last.
    pub element: usize,
    /// The error that it returns.
    pub errno: Errno,
}

/// The hypercalls so far, and the one to refuse.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Script {
    issued: u64,
    refusal: Option<Refusal>,
}

impl Script {
    /// Plans a refusal.
    pub(super) const fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
    }

    /// Returns the number of hypercalls so far.
    pub(super) const fn issued(&self) -> u64 {
        self.issued
    }

    /// Counts a hypercall; returns the refusal if this is the one.
    pub(super) fn next(&mut self) -> Option<Refusal> {
        let number = self.issued;
        self.issued += 1;
        self.refusal.filter(|refusal| refusal.hypercall == number)
    }
}
