//! Any failure of stage 9 up to the point where memory is touched.
//!
//! Policy: each file has a closed error of its own, which says what was expected, what was found and where; the
//! functions that cross files return this one. Its `Display` is one line for the log, without the module's name:
//! the caller knows that.
//!
//! Neighbours: `newc`, `elf`, `part`, `symbol` and `reloc` supply the errors in it.

use core::fmt;

use crate::elf_error::ElfError;
use crate::gunzip::GzipError;
use crate::newc::NewcError;
use crate::part::PlanError;
use crate::reloc_error::RelocError;
use crate::symbol::SymbolError;

/// Why a module cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleError {
    /// The ramdisk is not a newc archive.
    Archive(NewcError),
    /// The compressed ramdisk cannot be unpacked.
    Gzip(GzipError),
    /// The bytes are not a relocatable x86-64 object.
    Elf(ElfError),
    /// A section has no place in memory.
    Plan(PlanError),
    /// A symbol has no address.
    Symbol(SymbolError),
    /// A relocation cannot be computed.
    Reloc(RelocError),
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => write!(f, "archive: {error}"),
            Self::Gzip(error) => write!(f, "gzip: {error}"),
            Self::Elf(error) => write!(f, "object: {error}"),
            Self::Plan(error) => write!(f, "placement: {error}"),
            Self::Symbol(error) => fmt::Display::fmt(error, f),
            Self::Reloc(error) => write!(f, "relocation: {error}"),
        }
    }
}

impl core::error::Error for ModuleError {}

impl From<NewcError> for ModuleError {
    fn from(error: NewcError) -> Self {
        Self::Archive(error)
    }
}

impl From<ElfError> for ModuleError {
    fn from(error: ElfError) -> Self {
        Self::Elf(error)
    }
}

impl From<PlanError> for ModuleError {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

impl From<SymbolError> for ModuleError {
    fn from(error: SymbolError) -> Self {
        Self::Symbol(error)
    }
}

impl From<RelocError> for ModuleError {
    fn from(error: RelocError) -> Self {
        Self::Reloc(error)
    }
}
