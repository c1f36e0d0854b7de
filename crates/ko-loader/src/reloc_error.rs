//! Ways in which a relocation cannot be computed.
//!
//! Neighbours: `reloc` returns them. Sources: x86-64 psABI 4.4 "Relocation".

use alloc::string::String;
use core::fmt;

use crate::reloc_kind::{RelocKind, Width};

/// Where a relocation stands in the file: `readelf -rW` prints both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Index of the section that is relocated.
    pub section: u32,
    /// Position in that section's table of relocations.
    pub index: usize,
}

/// Why an image cannot be relocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelocError {
    /// The base address is not the start of a page, or the image does not fit after it.
    Base { base: u64, pages: u64 },
    /// The type is not served.
    Kind { at: Entry, found: u32 },
    /// The place is not inside the section.
    Outside { at: Entry, offset: u64, width: Width, size: u64 },
    /// The section has no bytes to relocate.
    Bss { at: Entry },
    /// The symbol does not exist.
    Symbol { at: Entry, expected: u32, found: u32 },
    /// The symbol is in a section that is not loaded.
    NotLoaded { at: Entry, symbol: String },
    /// There are more than the heap can list.
    TooMany { count: usize },
    /// The value does not fit.
    Range { kind: RelocKind, symbol: String, from: u64, to: u64, distance: i64 },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section {}, relocation {}", self.section, self.index)
    }
}

impl fmt::Display for RelocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base { base, pages } => {
                write!(f, "expected the start of a page with room for {pages} pages, found base {base:#018x}")
            }
            Self::Kind { at, found } => {
                write!(f, "{at}: expected a type of the kernel code model, found {found}")
            }
            Self::Outside { at, offset, width, size } => {
                let width = width.bytes();
                write!(
                    f,
                    "{at}: expected {width} bytes inside a section of {size:#x}, found offset {offset:#x}"
                )
            }
            Self::Bss { at } => write!(f, "{at}: expected a section with bytes in the file, found none"),
            Self::Symbol { at, expected, found } => {
                write!(f, "{at}: expected a symbol below {expected}, found {found}")
            }
            Self::NotLoaded { at, symbol } => {
                write!(
                    f,
                    "{at}: expected a symbol with an address, found {symbol} of a section that is not loaded"
                )
            }
            Self::TooMany { count } => {
                write!(f, "expected a heap with room for {count} relocations, found less")
            }
            Self::Range { kind, symbol, from, to, distance } => {
                write!(f, "{kind} at {from:#018x}: expected {symbol} within {}, ", kind.reach())?;
                write!(f, "found it at {to:#018x}, {distance} bytes away")
            }
        }
    }
}
