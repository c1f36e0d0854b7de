//! Loops that copy or fill pages: which one is fastest depends on the processor, and on whether it is emulated.
//!
//! The image chooses one at entry; `pv_memory::limits` measures all of them.

use core::fmt;

/// A way to copy or fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// Vectors of 16 bytes, four per round (SSE2).
    Vectors,
    /// Words of 8 bytes, eight per round.
    Words,
    /// A string instruction by words.
    WordString,
    /// A string instruction by bytes.
    ByteString,
}

impl Loop {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Vectors, Self::Words, Self::WordString, Self::ByteString];
}

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vectors => "vectors",
            Self::Words => "words",
            Self::WordString => "word-string",
            Self::ByteString => "byte-string",
        })
    }
}
