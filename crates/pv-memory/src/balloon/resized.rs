//! How far a change of the domain's size got, and why no further.

use core::fmt;

use crate::error::MmError;
use xen::Errno;
use xen::addr::Pfn;

/// How far a change of the domain's size got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resized {
    /// Pages that went or came.
    pub pages: u64,
    /// Why they were not more; `None` if they were as many as asked for.
    pub short: Option<Short>,
}

/// Why a change of the domain's size ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// The guest needs the rest itself.
    InUse,
    /// There is no page left that could get a frame.
    AllBacked,
    /// Xen took no more, without saying why.
    NotTaken,
    /// Xen gave no more, without saying why.
    NotGiven,
    /// Xen refused to take pages.
    DecreaseRefused {
        /// The first of them.
        first: Pfn,
        /// Xen's error.
        errno: Errno,
    },
    /// Xen refused to give pages frames.
    PopulateRefused {
        /// The first of them.
        first: Pfn,
        /// Xen's error.
        errno: Errno,
    },
    /// Xen took frames and still counts them as the domain's: something maps them.
    Held {
        /// How many.
        pages: u64,
    },
    /// Page tables or P2M could not be changed.
    Memory(MmError),
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str("the guest needs the rest itself"),
            Self::AllBacked => f.write_str("every page that the P2M has room for has a frame"),
            Self::NotTaken => f.write_str("Xen took no more: expected it to take every frame of this domain"),
            Self::NotGiven => {
                f.write_str("Xen gave no more: see the domain's maxmem and the host's free memory")
            }
            Self::DecreaseRefused { first, errno } => {
                write!(f, "memory_op: decrease_reservation of the frames from {first} on: {errno}")
            }
            Self::PopulateRefused { first, errno } => {
                write!(f, "memory_op: populate_physmap from {first} on: {errno}")
            }
            Self::Held { pages } => write!(f, "{pages} frames are still mapped somewhere, so Xen keeps them"),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl From<MmError> for Short {
    fn from(error: MmError) -> Self {
        Self::Memory(error)
    }
}
