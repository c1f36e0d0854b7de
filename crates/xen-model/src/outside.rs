//! What happens outside a guest that stays, and what of it has not reached the guest yet.
//!
//! Neighbour: `resident` lets things happen.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::daemon::Daemon;

/// Something that happens outside the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Somebody types.
    Typed(Vec<u8>),
    /// The toolstack writes to the store.
    Written {
        /// Where; relative paths are the domain's own.
        path: &'static str,
        /// What.
        value: Vec<u8>,
    },
    /// So many nanoseconds pass.
    TimePasses(u64),
    /// The domain may have so many pages from now on.
    MostPages(u64),
}

/// The world outside the guest.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) typed: VecDeque<u8>,
    pub(crate) daemon: Daemon,
    pub(crate) is_open: bool,
    pub(crate) planned: VecDeque<Happening>,
    /// Nanoseconds of system time.
    pub(crate) now: u64,
    /// How often the guest slept.
    pub(crate) sleeps: u64,
}
