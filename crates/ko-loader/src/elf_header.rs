//! ELF header of a relocatable x86-64 object: the first 64 bytes, field by field.
//!
//! Each field is compared on its own, so that the error names it; a linked program or a module for another machine
//! is a frequent mistake.
//!
//! Neighbours: `elf` alone. Sources: System V gABI, chapter 4 "ELF Header"; x86-64 psABI 4.1 (machine, class, data).

use ::elf::abi;
use ::elf::endian::LittleEndian;
use ::elf::file::{Class, FileHeader};
use ::elf::section::SectionHeaderTable;

use crate::elf_error::ElfError;
use crate::extent::slice;
use crate::magic::Format;

const HEADER_BYTES: u64 = 64;
const SECTION_BYTES: u64 = 64;

/// Where a checked header says the section table is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    offset: u64,
    bytes: u64,
    /// Index of the section that holds the sections' names.
    pub(crate) names: u16,
}

impl Tables {
    /// Returns the section header table of the file it was read from.
    pub(crate) fn table_of(self, bytes: &[u8]) -> &[u8] {
        slice(bytes, self.offset, self.bytes).unwrap_or(&[])
    }
}

/// Reads and checks the header.
pub(crate) fn read(bytes: &[u8]) -> Result<Tables, ElfError> {
    let format = Format::of(bytes);
    if format != Format::Elf {
        return Err(ElfError::Magic { found: format });
    }
    let short =
        ElfError::Short { what: "the ELF header", offset: 0, expected: HEADER_BYTES, file: bytes.len() };
    let head = slice(bytes, 0, HEADER_BYTES).ok_or(short)?;
    let (ident, tail) = head.split_at(abi::EI_NIDENT);
    check_ident(ident)?;
    let identity = (LittleEndian, Class::ELF64, abi::ELFOSABI_NONE, 0);
    let header = FileHeader::parse_tail(identity, tail).map_err(|_| short)?;
    check_fields(&header)?;
    check_table(&header, bytes)
}

fn check_ident(ident: &[u8]) -> Result<(), ElfError> {
    let field = |field, at: usize, needs, expected| {
        let found = ident.get(at).copied().unwrap_or(0);
        field_is(field, at as u64, needs, u64::from(found), u64::from(expected)) // at is an index below 16
    };
    field("e_ident[EI_CLASS]", abi::EI_CLASS, "64-bit", abi::ELFCLASS64)?;
    field("e_ident[EI_DATA]", abi::EI_DATA, "little-endian", abi::ELFDATA2LSB)?;
    field("e_ident[EI_VERSION]", abi::EI_VERSION, "current", abi::EV_CURRENT)
}

fn check_fields(header: &FileHeader<LittleEndian>) -> Result<(), ElfError> {
    let (kind, machine) = (u64::from(header.e_type), u64::from(header.e_machine));
    field_is("e_type", 16, "a relocatable object", kind, abi::ET_REL.into())?;
    field_is("e_machine", 18, "x86-64", machine, abi::EM_X86_64.into())?;
    field_is("e_version", 20, "current", header.version.into(), abi::EV_CURRENT.into())?;
    field_is("e_shentsize", 58, "of a 64-bit section header", header.e_shentsize.into(), SECTION_BYTES)
}

fn check_table(header: &FileHeader<LittleEndian>, bytes: &[u8]) -> Result<Tables, ElfError> {
    let (count, names) = (header.e_shnum, header.e_shstrndx);
    if count == 0 {
        return Err(extended_count(header, bytes));
    }
    if count >= abi::SHN_LORESERVE {
        return Err(ElfError::SectionCount { found: count });
    }
    if names >= count {
        return Err(ElfError::NamesIndex { sections: count, found: names });
    }
    let tables = Tables { offset: header.e_shoff, bytes: u64::from(count) * SECTION_BYTES, names };
    let what = "the section header table";
    let short = ElfError::Short { what, offset: tables.offset, expected: tables.bytes, file: bytes.len() };
    slice(bytes, tables.offset, tables.bytes).map(|_| tables).ok_or(short)
}

/// Names what a count of 0 stands for: no section, or more than the field can hold, and then section 0 has their
/// number.
///
/// Such an object is not read: its table of sections alone would take more than the image's heap, and symbols would
/// name their sections in a table of its own (`SHT_SYMTAB_SHNDX`).
fn extended_count(header: &FileHeader<LittleEndian>, bytes: &[u8]) -> ElfError {
    let first = slice(bytes, header.e_shoff, SECTION_BYTES).filter(|_| header.e_shoff != 0);
    let sections = first.map(|raw| SectionHeaderTable::new(LittleEndian, Class::ELF64, raw));
    match sections.and_then(|table| table.iter().next()).map(|section| section.sh_size) {
        None | Some(0) => ElfError::SectionCount { found: 0 },
        Some(found) => ElfError::ExtendedNumbering { found },
    }
}

fn field_is(
    field: &'static str,
    offset: u64,
    needs: &'static str,
    found: u64,
    expected: u64,
) -> Result<(), ElfError> {
    if found == expected { Ok(()) } else { Err(ElfError::Header { field, offset, expected, needs, found }) }
}
