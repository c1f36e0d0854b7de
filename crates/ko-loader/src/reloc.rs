//! Relocation of a module: what must be written where, as a list.
//!
//! A relocation says "at offset P of this section, put a function of symbol S and addend A". Here that becomes a
//! `RelocOp`, a number and its width at an offset of the image; nothing is written. The loader applies the list, the
//! host's tests compare it with a linker's work, and an error leaves no half-relocated module behind.
//!
//! A call through the PLT goes straight to its target: every symbol of the kernel is within reach of the module area,
//! which is what the area is for.
//!
//! Neighbours: `plan` makes the `Image`; `symbol` the addresses. Sources: x86-64 psABI 4.4 "Relocation", table 4.9.

use alloc::vec::Vec;

use ::elf::relocation::Rela;

use crate::elf::Object;
use crate::error::ModuleError;
use crate::image::{GOT_ENTRY, Image, RelocOp};
use crate::reloc_error::{Entry, RelocError};
use crate::reloc_kind::{RelocKind, Width};
use crate::section::Section;
use crate::symbol::Bound;
use x86_64::VirtAddr;

use crate::page::PAGE_SIZE;

/// Bytes of a relocation in the file.
const RELA_BYTES: usize = 24;

impl Image<'_> {
    /// Relocates the image for `base`: returns the writes, in an order that does not matter, and makes none.
    /// `resolve` looks up the kernel's exports.
    ///
    /// # Errors
    ///
    /// `SymbolError::Unknown` with every name that `resolve` does not find; `RelocError::Range` for a symbol out of
    /// reach; `RelocError::Base`.
    pub fn relocate(
        &self,
        base: VirtAddr,
        resolve: impl Fn(&str) -> Option<u64>,
    ) -> Result<Vec<RelocOp>, ModuleError> {
        let base = base.as_u64();
        let pages = self.pages();
        let end = base.checked_add(pages * PAGE_SIZE);
        if !base.is_multiple_of(PAGE_SIZE) || end.is_none() {
            return Err(RelocError::Base { base, pages }.into());
        }
        let bound = Bound::new(self, base, resolve)?;
        let count = self.relocation_count() + self.got.symbols.len();
        let mut ops = Vec::new();
        ops.try_reserve_exact(count).map_err(|_| RelocError::TooMany { count })?;
        for (table, target) in self.object.relocated() {
            let section_at = self.offset_of(target.index).unwrap_or(0);
            for (index, rela) in table.relocations().enumerate() {
                let at = Entry { section: target.index, index };
                ops.extend(self.op(&bound, base, section_at, at, &rela)?);
            }
        }
        self.fill_got(&bound, &mut ops);
        Ok(ops)
    }

    fn relocation_count(&self) -> usize {
        self.object.relocated().map(|(table, _)| table.data.len() / RELA_BYTES).sum()
    }

    fn op(
        &self,
        bound: &Bound<'_, '_>,
        base: u64,
        section_at: u64,
        at: Entry,
        rela: &Rela,
    ) -> Result<Option<RelocOp>, RelocError> {
        let Some(kind) = kind_of(rela, at)? else { return Ok(None) };
        let name = || self.object.symbol(rela.r_sym).map_or("", |symbol| self.object.name_of(&symbol)).into();
        let symbol = bound.address(rela.r_sym).ok_or_else(|| RelocError::NotLoaded { at, symbol: name() })?;
        let offset = section_at.wrapping_add(rela.r_offset);
        let from = base.wrapping_add(offset);
        let to = match (kind, self.got.symbols.binary_search(&rela.r_sym)) {
            (RelocKind::GotPc32, Ok(entry)) => bound.got().wrapping_add(GOT_ENTRY * entry as u64), // index of a Vec
            _ => symbol,
        };
        let value = kind.value(from, to, rela.r_addend);
        if !kind.holds(value) {
            let distance = to.wrapping_sub(from).cast_signed();
            return Err(RelocError::Range { kind, symbol: name(), from, to, distance });
        }
        Ok(Some(RelocOp { offset, value, width: kind.width() }))
    }

    fn fill_got(&self, bound: &Bound<'_, '_>, ops: &mut Vec<RelocOp>) {
        let mut offset = self.got.offset;
        for symbol in &self.got.symbols {
            let value = bound.address(*symbol).unwrap_or(0);
            ops.push(RelocOp { offset, value, width: Width::Eight });
            offset += GOT_ENTRY;
        }
    }
}

/// Checks every relocation as far as that needs no address; returns the symbols that need an entry of the GOT.
pub(crate) fn check(object: &Object<'_>) -> Result<Vec<u32>, RelocError> {
    let mut got = Vec::new();
    for (table, target) in object.relocated() {
        for (index, rela) in table.relocations().enumerate() {
            let at = Entry { section: target.index, index };
            if check_one(object, target, at, &rela)? == Some(RelocKind::GotPc32) {
                got.push(rela.r_sym);
            }
        }
    }
    got.sort_unstable();
    got.dedup();
    Ok(got)
}

fn check_one(
    object: &Object<'_>,
    target: &Section<'_>,
    at: Entry,
    rela: &Rela,
) -> Result<Option<RelocKind>, RelocError> {
    let Some(kind) = kind_of(rela, at)? else { return Ok(None) };
    if target.is_bss() {
        return Err(RelocError::Bss { at });
    }
    let (width, size, offset) = (kind.width(), target.size, rela.r_offset);
    if offset.checked_add(width.bytes() as u64).is_none_or(|end| end > size) {
        return Err(RelocError::Outside { at, offset, width, size });
    }
    let count = object.symbol_count();
    if rela.r_sym >= count {
        return Err(RelocError::Symbol { at, expected: count, found: rela.r_sym });
    }
    Ok(Some(kind))
}

fn kind_of(rela: &Rela, at: Entry) -> Result<Option<RelocKind>, RelocError> {
    RelocKind::from_raw(rela.r_type).map_err(|found| RelocError::Kind { at, found })
}
