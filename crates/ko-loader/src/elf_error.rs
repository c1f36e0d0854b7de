//! Ways in which bytes fail to be a relocatable x86-64 object.
//!
//! Neighbours: `elf` and `elf_header` return them. Section and symbol indices are those that `readelf -SsW` prints.
//! Sources: System V gABI, chapter 4, for the names of the fields.

use core::fmt;

use crate::magic::Format;
use crate::text::NAME_MAX;

/// Why bytes are not an object that can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// Not an ELF file at all.
    Magic { found: Format },
    /// A field of the ELF header has the wrong value.
    Header { field: &'static str, offset: u64, expected: u64, needs: &'static str, found: u64 },
    /// The header, or the table it points to, reaches beyond the file.
    Short { what: &'static str, offset: u64, expected: u64, file: usize },
    /// No section, or a count that is reserved.
    SectionCount { found: u16 },
    /// More sections than the header can count: their number is in section 0.
    ExtendedNumbering { found: u64 },
    /// Only the compiler's own representation, and no code yet.
    LinkTimeOptimization,
    /// The section that holds the sections' names does not exist.
    NamesIndex { sections: u16, found: u16 },
    /// A section's bytes reach beyond the file.
    Extent { section: u32, offset: u64, size: u64, file: usize },
    /// Two sections share bytes of the file.
    Overlap { section: u32, with: u32, offset: u64 },
    /// A section's name cannot be read.
    SectionName { index: u32, fault: NameFault },
    /// A field that must point to, or count, a table does not.
    Link { section: u32, field: &'static str, needs: &'static str, found: u32 },
    /// A table's entries have the wrong size.
    EntrySize { section: u32, expected: u64, found: u64 },
    /// A table ends within an entry.
    PartialEntry { section: u32, entry: u64, size: u64 },
    /// The object has no symbol table: it was stripped.
    NoSymbolTable,
    /// The object has more than one symbol table.
    TwoSymbolTables { first: u32, second: u32 },
    /// A symbol's name cannot be read.
    SymbolName { index: u32, fault: NameFault },
    /// A symbol is defined in a section that does not exist.
    SymbolHome { index: u32, expected: u64, found: u32 },
}

/// Why a name cannot be read from a string table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// It starts beyond the table.
    Outside { at: u32 },
    /// No NUL follows within `NAME_MAX` bytes.
    Unterminated { at: u32 },
    /// It is not UTF-8, or has control characters.
    NotText { at: u32 },
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic { found } => write!(f, "expected an ELF file (7f 45 4c 46), found {found}"),
            Self::Header { field, offset, expected, needs, found } => {
                write!(f, "{field} at offset {offset:#x}: expected {expected} ({needs}), found {found}")
            }
            Self::Short { what, offset, expected, file } => {
                write!(f, "{what}: expected {expected} bytes at offset {offset:#x}, found a file of {file}")
            }
            Self::SectionCount { found } => {
                write!(f, "e_shnum at offset 0x3c: expected 1 to 65279 sections, found {found}")
            }
            Self::ExtendedNumbering { found } => write!(
                f,
                "e_shnum at offset 0x3c: expected 1 to 65279 sections, found extended section numbering with {found}: \
                 compile without -ffunction-sections and -fdata-sections"
            ),
            Self::LinkTimeOptimization => f.write_str(
                "expected code, found an object for link-time optimization (.gnu.lto_* sections only): compile with \
                 -fno-lto or -ffat-lto-objects",
            ),
            Self::NamesIndex { sections, found } => {
                write!(f, "e_shstrndx at offset 0x3e: expected below {sections}, found {found}")
            }
            Self::Extent { section, offset, size, file } => {
                write!(
                    f,
                    "section {section}: expected {size} bytes at offset {offset:#x}, found a file of {file}"
                )
            }
            Self::Overlap { section, with, offset } => {
                write!(
                    f,
                    "section {section}: expected bytes of its own at offset {offset:#x}, found section {with}'s"
                )
            }
            Self::SectionName { index, fault } => write!(f, "section {index}: sh_name: {fault}"),
            Self::Link { section, field, needs, found } => {
                write!(f, "section {section}: {field}: expected {needs}, found {found}")
            }
            Self::EntrySize { section, expected, found } => {
                write!(f, "section {section}: sh_entsize: expected {expected}, found {found}")
            }
            Self::PartialEntry { section, entry, size } => {
                write!(f, "section {section}: sh_size: expected a multiple of {entry}, found {size}")
            }
            Self::TwoSymbolTables { first, second } => {
                write!(f, "expected one symbol table, found sections {first} and {second}")
            }
            Self::SymbolName { index, fault } => write!(f, "symbol {index}: st_name: {fault}"),
            Self::SymbolHome { index, expected, found } => {
                write!(f, "symbol {index}: st_shndx: expected below {expected}, found {found}")
            }
            Self::NoSymbolTable => {
                f.write_str("expected a symbol table, found none: the object was stripped")
            }
        }
    }
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Outside { at } => write!(f, "expected an offset in the string table, found {at:#x}"),
            Self::Unterminated { at } => {
                write!(f, "offset {at:#x}: expected a NUL within {NAME_MAX} bytes, found none")
            }
            Self::NotText { at } => {
                write!(f, "offset {at:#x}: expected UTF-8 without control characters")
            }
        }
    }
}
