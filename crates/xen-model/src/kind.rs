//! What a frame is used as, and how often: Xen has one such word for each frame of the machine.
//!
//! Neighbour: `types` has the rules.

use xen::pte::Level;

/// What a frame is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Mapped writable somewhere.
    Writable,
    /// A page table.
    Table(Level),
}

/// Whether a table stays a table without being hooked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    Pinned,
    Loose,
}

/// A frame's type and how often it is used as such; a type with count zero is only a memory of the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed {
    pub(crate) kind: Kind,
    pub(crate) count: u64,
    pub(crate) pin: Pin,
}
