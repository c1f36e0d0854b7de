//! Hypercalls that fail on request: what would a boot do if Xen refused this one?

use alloc::vec::Vec;

use xen::Errno;

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

/// The hypercalls so far, and those to refuse.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    issued: u64,
    refusals: Vec<Refusal>,
}

impl Script {
    /// Plans a refusal.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// Returns the number of hypercalls so far.
    pub(crate) const fn issued(&self) -> u64 {
        self.issued
    }

    /// Counts a hypercall; returns the refusal if this is one of them.
    pub(crate) fn next(&mut self) -> Option<Refusal> {
        let number = self.issued;
        self.issued += 1;
        self.refusals.iter().copied().find(|refusal| refusal.hypercall == number)
    }
}
