//! The most that was ever in use of memory whose size is fixed at build time: the heap's, the stack's.

use core::fmt;

/// How much has been needed; shown as `84 of 192 KiB at most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// The most bytes in use so far.
    pub used: usize,
    /// All bytes there are.
    pub of: usize,
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} KiB at most", self.used.div_ceil(1024), self.of / 1024)
    }
}
