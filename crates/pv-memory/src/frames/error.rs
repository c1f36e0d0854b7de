//! What can go wrong with frames, and what to do about it.
//!
//! Neighbours: the allocator above returns them; a boot ends with the text.

use core::fmt;

use xen::addr::PfnRange;

/// What can go wrong with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Not enough free pages of the kind asked for.
    Exhausted {
        /// Pages asked for.
        wanted: u64,
        /// Pages free in all.
        free: u64,
    },
    /// Pages given back that are free already.
    DoubleFree {
        /// The pages.
        pages: PfnRange,
    },
    /// There are enough free pages, but in more pieces than a list of them may have.
    Scattered {
        /// Pages asked for.
        wanted: u64,
        /// Most pieces.
        most: usize,
    },
}

impl core::error::Error for FrameError {}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { wanted, free } => write!(
                f,
                "out of memory: {wanted} pages wanted, {free} free: give the domain {} MiB more",
                wanted.saturating_sub(*free).div_ceil(256).max(1)
            ),
            Self::DoubleFree { pages } => write!(f, "{pages} given back twice"),
            Self::Scattered { wanted, most } => write!(
                f,
                "{wanted} pages wanted, which lie in more than {most} pieces between holes: boot with p2m=alias, \
                 or give the domain memory without holes"
            ),
        }
    }
}
