//! How far a change of the domain's size got, and why no further.

use core::fmt;

use crate::error::MmError;
use xen::Errno;

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
    Whole,
    /// Xen gave or took no more, without saying why: the domain has as many as it may have, or the machine has no more.
    Xen,
    /// Xen refused.
    Refused(Errno),
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
            Self::Whole => f.write_str("every page that the P2M has an entry for has a frame"),
            Self::Xen => {
                f.write_str("Xen has no more for this domain: see its maxmem, and the host's free memory")
            }
            Self::Refused(errno) => write!(f, "memory_op: {errno}"),
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
