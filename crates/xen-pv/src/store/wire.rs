//! Messages as bytes: a header, then what its length says. Pure.
//!
//! Bytes come in pieces of any size, so they are collected until a message is whole.
//! Source: xen/include/public/io/xs_wire.h.

use alloc::vec::Vec;

use super::error::Wrong;
use crate::abi::{StoreHeader, StoreMessage};

/// The most bytes of a message after its header (`XENSTORE_PAYLOAD_MAX`).
pub const LONGEST: usize = 4096;
/// Bytes of a header.
const HEADER: usize = size_of::<StoreHeader>();

/// A message from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it starts with.
    pub header: StoreHeader,
    /// What follows.
    pub body: Vec<u8>,
}

impl Message {
    /// Tells whether it is of that kind.
    pub(super) const fn is(&self, kind: StoreMessage) -> bool {
        self.header.kind == kind as u32
    }
}

impl StoreHeader {
    /// Returns the bytes as they go over the wire.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let words = [self.kind, self.request, self.transaction, self.len];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads a header.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; HEADER]) -> Self {
        let word =
            |index: usize| bytes[index * 4..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        Self { kind: word(0), request: word(1), transaction: word(2), len: word(3) }
    }
}

/// The bytes of a message that is not whole yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Partial {
    bytes: Vec<u8>,
}

impl Partial {
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Returns how many more bytes are wanted before there is something to look at: never more than belong to this
    /// message, so that the next one stays in the ring.
    ///
    /// # Errors
    /// [`Wrong::Length`] if the header says more than a message may have.
    pub(super) fn wanted(&self) -> Result<usize, Wrong> {
        let Some(header) = self.bytes.first_chunk().map(StoreHeader::from_bytes) else {
            return Ok(HEADER - self.bytes.len());
        };
        match usize::try_from(header.len) {
            Ok(len) if len <= LONGEST => Ok(HEADER + len - self.bytes.len()),
            _ => Err(Wrong::Length(header.len)),
        }
    }

    /// Adds bytes, as many as were wanted or fewer.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the message out if it is whole.
    ///
    /// # Errors
    /// As for [`Partial::wanted`].
    pub(super) fn take(&mut self) -> Result<Option<Message>, Wrong> {
        if self.wanted()? > 0 {
            return Ok(None);
        }
        let Some(header) = self.bytes.first_chunk().map(StoreHeader::from_bytes) else { return Ok(None) };
        let body = self.bytes.split_off(HEADER);
        self.bytes.clear();
        Ok(Some(Message { header, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_more_than_a_message_is_wrong_before_any_of_it_is_taken() {
        let mut partial = Partial::default();
        assert_eq!(partial.wanted(), Ok(16));
        partial.add(&StoreHeader { kind: 2, request: 1, transaction: 0, len: 4097 }.to_bytes());
        assert_eq!((partial.wanted(), partial.take()), (Err(Wrong::Length(4097)), Err(Wrong::Length(4097))));
    }

    #[test]
    fn a_message_comes_in_pieces_of_any_size() {
        let header = StoreHeader { kind: 2, request: 7, transaction: 0, len: 3 };
        let bytes: Vec<u8> = header.to_bytes().into_iter().chain(*b"abc").collect();
        let mut partial = Partial::default();
        for byte in &bytes {
            assert_eq!(partial.take(), Ok(None));
            partial.add(&[*byte]);
        }
        assert_eq!(partial.take(), Ok(Some(Message { header, body: b"abc".to_vec() })));
        assert_eq!(partial.wanted(), Ok(16));
    }

    #[test]
    fn a_header_is_the_same_after_the_wire() {
        let header = StoreHeader { kind: 0x0102_0304, request: 5, transaction: u32::MAX, len: 9 };
        assert_eq!(StoreHeader::from_bytes(&header.to_bytes()), header);
        assert_eq!(header.to_bytes()[..4], [4, 3, 2, 1]);
    }
}
