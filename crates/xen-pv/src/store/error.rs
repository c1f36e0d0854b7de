//! What can go wrong with the store.

use alloc::string::String;
use core::fmt;

use crate::abi::StoreMessage;
use crate::ring::BadRing;

/// An error of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store refused; the connection is sound.
    Refused {
        /// What was asked for.
        verb: StoreMessage,
        /// Of which path.
        path: String,
        /// Its word for the error, as `ENOENT`.
        error: String,
    },
    /// The request has more bytes than a message may have.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// The store did not answer in time.
    Silent {
        /// What was asked for.
        verb: StoreMessage,
        /// Of which path.
        path: String,
    },
    /// What came makes no sense; nothing in the ring can be relied on any more.
    Wrong(Wrong),
    /// An earlier error left the connection unusable.
    Broken,
}

/// What makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The ring's indices.
    Ring(BadRing),
    /// A message of that many bytes.
    Length(u32),
    /// A reply of this kind to a request of another.
    Kind {
        /// What was asked for.
        asked: StoreMessage,
        /// The kind of the reply.
        found: u32,
    },
    /// A message that does not have the form that its kind must have.
    Form(StoreMessage),
}

impl core::error::Error for StoreError {}

impl From<Wrong> for StoreError {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<BadRing> for StoreError {
    fn from(bad: BadRing) -> Self {
        Self::Wrong(Wrong::Ring(bad))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { verb, path, error } => {
                write!(f, "xenstore: {verb:?} {}: {error}", path.escape_debug())
            }
            Self::TooLong { bytes } => {
                write!(f, "xenstore: a request of {bytes} bytes: expected 4096 or less")
            }
            Self::Silent { verb, path } => {
                let path = path.escape_debug();
                write!(f, "xenstore: {verb:?} {path}: no answer: is xenstored running?")
            }
            Self::Wrong(wrong) => write!(f, "xenstore: {wrong}"),
            Self::Broken => f.write_str("xenstore: not used any more, because of an earlier error"),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(bad) => bad.fmt(f),
            Self::Length(bytes) => write!(f, "a message of {bytes} bytes: expected 4096 or less"),
            Self::Kind { asked, found } => {
                write!(f, "a reply of kind {found} to {asked:?}: expected the same kind")
            }
            Self::Form(kind) => write!(f, "a message of kind {kind:?} that does not have its form"),
        }
    }
}
