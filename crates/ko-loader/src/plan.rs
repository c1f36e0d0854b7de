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

use crate::elf::Object;
use crate::error::ModuleError;
use crate::image::{Entries, GOT_ENTRY, Got, Image};
use crate::page::PAGE_SIZE;
use crate::part::{self, Part, PartKind, PlanError};
use crate::{reloc, symbol};

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
