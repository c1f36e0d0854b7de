//! What a processor knows of an address: a frame, and what may be done with it.
//!
//! Neighbours: `translate` finds it in the tables, `flushes` looks for one that is in the tables no more.

use core::fmt;

use xen::addr::Mfn;

/// What is done with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Read.
    Read,
    /// Written.
    Write,
    /// Executed.
    Execute,
}

/// A translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The frame.
    pub mfn: Mfn,
    /// All levels allow writing.
    pub writable: bool,
    /// No level forbids execution.
    pub executable: bool,
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mfn, writable, executable } = *self;
        let rights = match (writable, executable) {
            (true, true) => "read, write and execute it",
            (true, false) => "read and write it",
            (false, true) => "read and execute it",
            (false, false) => "read it",
        };
        write!(f, "{mfn} ({rights})")
    }
}
