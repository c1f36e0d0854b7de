//! A module in memory, as far as it is known before it has an address: its parts, contents and entry points.
//!
//! Neighbours: `plan` makes an image; `symbol` and `reloc` say what is in it; the loader copies it.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::elf::{Home, Object, Symbol};
use crate::page::PAGE_SIZE;
use crate::part::{Lifetime, Part, PartKind};
use crate::reloc_kind::Width;

/// Bytes of an entry of the GOT.
pub(crate) const GOT_ENTRY: u64 = 8;

/// Module with every loaded section placed, relative to a base that is not chosen yet.
#[derive(Debug)]
pub struct Image<'a> {
    pub(crate) object: Object<'a>,
    pub(crate) got: Got,
    /// Offset in the image, for each section of the object.
    pub(crate) placed: Vec<Option<u64>>,
    pub(crate) parts: [Part; PartKind::ALL.len()],
    pub(crate) entries: Entries,
}

/// Offsets of the entry points in the image.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entries {
    pub(crate) init: Option<u64>,
    pub(crate) cleanup: Option<u64>,
}

/// Global offset table: addresses that the text reads instead of carrying them.
#[derive(Debug, Default)]
pub(crate) struct Got {
    /// Offset in the image.
    pub(crate) offset: u64,
    /// Symbols whose address is needed, by index, ascending: the position is the entry.
    pub(crate) symbols: Vec<u32>,
}

/// One write of a relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a relocation that is not applied leaves the module pointing nowhere"]
pub struct RelocOp {
    /// Offset in the image.
    pub offset: u64,
    /// Number to write, little-endian; its upper half is cut off for four bytes.
    pub value: u64,
    /// How many bytes to write.
    pub width: Width,
}

/// Bytes of the file that go to an offset of the image.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// Name of the section.
    pub section: &'a str,
    /// Offset in the image.
    pub offset: u64,
    /// The bytes; not empty.
    pub bytes: &'a [u8],
}

impl<'a> Image<'a> {
    /// Iterates over the parts that have pages, in order; together they cover the image.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.parts.iter().copied().filter(|part| part.bytes > 0)
    }

    /// Returns the number of pages of the image, its guard page not included.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.parts.iter().map(|part| part.pages()).sum()
    }

    /// Returns the range of pages, relative to the image, that can be given back after initialization.
    #[must_use]
    pub fn init_pages(&self) -> Range<u64> {
        let resident = self.parts.iter().filter(|part| part.kind.lifetime() == Lifetime::Resident);
        resident.map(|part| part.pages()).sum()..self.pages()
    }

    /// Iterates over the bytes to copy into the zeroed image before its relocations are applied.
    pub fn contents(&self) -> impl Iterator<Item = Content<'a>> + '_ {
        self.object.sections().iter().filter_map(|section| {
            let offset = self.offset_of(section.index)?;
            let (name, bytes) = (section.name, section.data);
            (!bytes.is_empty()).then_some(Content { section: name, offset, bytes })
        })
    }

    /// Returns the offset of `init_module`: `extern "C" fn() -> i32`, 0 for success. A Linux library has none.
    #[must_use]
    pub const fn init_offset(&self) -> Option<u64> {
        self.entries.init
    }

    /// Returns the offset of `cleanup_module`, `extern "C" fn()`, if the module has one: it cannot be unloaded else.
    #[must_use]
    pub const fn cleanup_offset(&self) -> Option<u64> {
        self.entries.cleanup
    }

    /// Returns the offset of a section; none if it is not loaded.
    #[must_use]
    pub fn offset_of(&self, section: u32) -> Option<u64> {
        *self.placed.get(usize::try_from(section).ok()?)?
    }

    /// Returns the offset of a symbol that is defined in a loaded section.
    #[must_use]
    pub fn symbol_offset(&self, symbol: &Symbol) -> Option<u64> {
        match symbol.home {
            Home::Section(section) => Some(self.offset_of(section)?.wrapping_add(symbol.value)),
            _ => None,
        }
    }

    /// Returns the bytes of the image that the loader made up: the global offset table, empty for most modules.
    #[must_use]
    pub fn got_range(&self) -> Range<u64> {
        self.got.offset..self.got.offset + GOT_ENTRY * self.got.symbols.len() as u64 // usize is 64 bits wide
    }

    /// Returns the object the image was planned from.
    #[must_use]
    pub const fn object(&self) -> &Object<'a> {
        &self.object
    }

    /// Returns the finished image as bytes: contents, zeros, relocations. For tests and tools; the loader writes
    /// into the pages themselves.
    #[must_use]
    pub fn render(&self, ops: &[RelocOp]) -> Vec<u8> {
        let len = usize::try_from(self.pages() * PAGE_SIZE).unwrap_or(0);
        let mut bytes = vec![0; len];
        for content in self.contents() {
            put(&mut bytes, content.offset, content.bytes);
        }
        for op in ops {
            let value = op.value.to_le_bytes();
            put(&mut bytes, op.offset, value.get(..op.width.bytes()).unwrap_or(&value));
        }
        bytes
    }
}

fn put(image: &mut [u8], offset: u64, bytes: &[u8]) {
    let target = usize::try_from(offset).ok().and_then(|at| image.get_mut(at..)?.get_mut(..bytes.len()));
    if let Some(target) = target {
        target.copy_from_slice(bytes);
    }
}
