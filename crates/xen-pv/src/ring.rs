//! The indices of a ring that the guest shares with a daemon.
//!
//! Both sides count the bytes that they have put in or taken out, modulo 2^32, and never reset the counts; the place of
//! a byte is its count modulo the ring's size. The other side writes its index at any time, and nothing makes it write
//! a sensible one: a distance of more than the ring's size is an error, not a length.
//!
//! Pure. Neighbours: `rt::ring` reads and writes the bytes; a model of a daemon has rings too.
//! Sources: xen/include/public/io/{console.h, xs_wire.h}.

use core::fmt;

/// The indices of one ring, as they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indices {
    /// Bytes put in so far.
    pub producer: u32,
    /// Bytes taken out so far.
    pub consumer: u32,
}

/// Indices that cannot be: more bytes in the ring than it has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRing {
    /// Bytes in the ring, by its indices.
    pub filled: u32,
    /// Its size.
    pub size: u32,
}

impl core::error::Error for BadRing {}

impl fmt::Display for BadRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filled, size } = self;
        write!(
            f,
            "a ring's indices are {filled} apart: expected {size} or less, its size; nothing in it is used"
        )
    }
}

impl Indices {
    /// Returns the bytes that can be taken out of a ring of `size` bytes.
    ///
    /// # Errors
    /// [`BadRing`] if there were more than the ring holds.
    pub const fn filled(self, size: u32) -> Result<u32, BadRing> {
        let filled = self.producer.wrapping_sub(self.consumer);
        if filled > size { Err(BadRing { filled, size }) } else { Ok(filled) }
    }

    /// Returns the bytes that can be put into a ring of `size` bytes.
    ///
    /// # Errors
    /// As for [`Indices::filled`].
    pub const fn free(self, size: u32) -> Result<u32, BadRing> {
        match self.filled(size) {
            Ok(filled) => Ok(size - filled),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_count_on_beyond_their_end() {
        let ring = Indices { producer: 5, consumer: u32::MAX - 4 };
        assert_eq!((ring.filled(1024), ring.free(1024)), (Ok(10), Ok(1014)));
    }

    #[test]
    fn a_ring_is_full_at_its_size_and_wrong_after_it() {
        let at = |producer| Indices { producer, consumer: 7 };
        assert_eq!((at(7).filled(1024), at(7 + 1024).free(1024)), (Ok(0), Ok(0)));
        assert_eq!(at(7 + 1025).free(1024), Err(BadRing { filled: 1025, size: 1024 }));
        assert_eq!(at(6).filled(1024), Err(BadRing { filled: u32::MAX, size: 1024 }));
    }
}
