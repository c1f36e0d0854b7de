//! The last console line of every boot, in the form of the Xen Test Framework.
//!
//! Test runners look at nothing else: exactly one of four lines, and no output after it. Without such a line the guest
//! crashed. Neighbours: `boot` returns a [`Verdict`] or an [`Ending`], the image prints
//! it and shuts down accordingly.
//!
//! Sources: xtf include/xtf/report.h (meanings, facts only).

use core::fmt;

use crate::abi::Shutdown;

/// How a kernel ends: what it says last, and what the toolstack shall do with the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What it says last.
    pub verdict: Verdict,
    /// What it tells Xen.
    pub shutdown: Shutdown,
}

impl From<Verdict> for Ending {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, shutdown: Shutdown::PowerOff }
    }
}

/// How a boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything that was claimed was checked and held.
    Success,
    /// It cannot be done here.
    Skip,
    /// The input or the environment was wrong; nothing is known about the thing tested.
    Error,
    /// The thing tested is wrong: a module did not load, an entry differs, the builder's handover is false.
    Failure,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Success => "SUCCESS",
            Self::Skip => "SKIP",
            Self::Error => "ERROR",
            Self::Failure => "FAILURE",
        };
        write!(f, "Test result: {word}")
    }
}
