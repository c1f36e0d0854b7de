//! Plan of a module in memory: every section that is loaded gets its offset, before any memory exists.
//!
//! Sections with the same permissions share pages, sections with different ones never do: that is what lets the
//! loader map each part either writable or executable. The parts that only initialization needs come last, so that
//! one range of pages can be given back after it.
//!
//! ```text
//! base  text | rodata, GOT | data, bss | init text | init rodata | init data   end
//!       R X  | R           | R W       | R X       | R           | R W
//!       ---- resident -----------------|---- given back after init_module ----
//! ```
//!
//! Whatever does not depend on the address is checked here, so that a module that cannot be loaded costs no memory:
//! afterwards only an unknown symbol or a distance can be wrong.
//!
//! Neighbours: `elf` gives the `Object`; `reloc` turns an `Image` and a base address into writes.
//! Sources: System V gABI, chapter 4 "Sections"; the parts are those of Linux's `enum mod_mem_type`.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::elf::{Home, Object, Symbol};
use super::error::ModuleError;
use super::part::{self, Lifetime, Part, PartKind, PlanError};
use super::reloc::{self, RelocOp};
use super::symbol::{self, Entries};
use crate::addr::PAGE_SIZE;

/// Bytes of an entry of the GOT.
pub(super) const GOT_ENTRY: u64 = 8;

/// Module with every loaded section placed, relative to a base that is not chosen yet.
#[derive(Debug)]
pub struct Image<'a> {
    pub(super) object: Object<'a>,
    pub(super) got: Got,
    /// Offset in the image, for each section of the object.
    placed: Vec<Option<u64>>,
    parts: [Part; PartKind::ALL.len()],
    entries: Entries,
}

/// Global offset table: addresses that the text reads instead of carrying them.
#[derive(Debug, Default)]
pub(super) struct Got {
    /// Offset in the image.
    pub(super) offset: u64,
    /// Symbols whose address is needed, by index, ascending: the position is the entry.
    pub(super) symbols: Vec<u32>,
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
    /// Places the sections of `object` and checks its relocations and entry points.
    ///
    /// # Errors
    ///
    /// Whatever makes the object impossible to load at any address, named.
    pub fn plan(object: Object<'a>) -> Result<Self, ModuleError> {
        let symbols = reloc::check(&object)?;
        symbol::check(&object)?;
        let parts = PartKind::ALL.map(|kind| Part { kind, offset: 0, bytes: 0 });
        let placed = vec![None; object.sections().len()];
        let got = Got { offset: 0, symbols };
        let mut image = Self { object, got, placed, parts, entries: Entries::default() };
        image.place()?;
        image.entries = Entries::find(&image)?;
        Ok(image)
    }

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

    fn place(&mut self) -> Result<(), PlanError> {
        let mut at = 0;
        for kind in PartKind::ALL {
            let start = at;
            for (section, slot) in self.object.sections().iter().zip(&mut self.placed) {
                if part::kind_of(section)? == Some(kind) {
                    let offset = part::align(at, section)?;
                    *slot = Some(offset);
                    at = part::extend(offset, section.size, section.index)?;
                }
            }
            if kind == PartKind::Rodata {
                at = self.place_got(at)?;
            }
            if let Some(part) = self.parts.iter_mut().find(|part| part.kind == kind) {
                (part.offset, part.bytes) = (start, at - start);
            }
            at = at.next_multiple_of(PAGE_SIZE);
        }
        Ok(())
    }

    fn place_got(&mut self, at: u64) -> Result<u64, PlanError> {
        if self.got.symbols.is_empty() {
            return Ok(at);
        }
        self.got.offset = at.next_multiple_of(GOT_ENTRY);
        let bytes = GOT_ENTRY * self.got.symbols.len() as u64; // at most one entry a symbol, of 24 bytes in the file
        part::extend(self.got.offset, bytes, 0)
    }
}

fn put(image: &mut [u8], offset: u64, bytes: &[u8]) {
    let target = usize::try_from(offset).ok().and_then(|at| image.get_mut(at..)?.get_mut(..bytes.len()));
    if let Some(target) = target {
        target.copy_from_slice(bytes);
    }
}
