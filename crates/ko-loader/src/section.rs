//! Sections of an object: the table, the bytes each claims, the names, the links between them.
//!
//! Neighbours: `elf` calls the checks in order and hands out the sections; `part` asks them for permissions.
//! Sources: System V gABI, chapter 4 "Sections" and "String Table".

use alloc::vec::Vec;

use ::elf::abi;
use ::elf::endian::LittleEndian;
use ::elf::file::Class;
use ::elf::relocation::{Rela, RelaIterator};
use ::elf::section::{SectionHeader, SectionHeaderTable};

use crate::elf_error::{ElfError, NameFault};
use crate::elf_header;
use crate::extent::slice;
use crate::text::{self, NAME_MAX};

const SYMBOL_BYTES: u64 = 24;
const RELA_BYTES: u64 = 24;

/// Section of an object.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Index in the section header table.
    pub index: u32,
    /// Name, such as `.text`.
    pub name: &'a str,
    /// Bytes in the file; none for `SHT_NOBITS`.
    pub data: &'a [u8],
    /// Bytes in memory.
    pub size: u64,
    /// Alignment in memory, as the file has it.
    pub align: u64,
    kind: u32,
    flags: u64,
    offset: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    entry_size: u64,
}

impl Section<'_> {
    /// Returns whether the section takes memory when loaded.
    #[must_use]
    pub const fn is_loaded(&self) -> bool {
        self.has(abi::SHF_ALLOC)
    }

    /// Returns whether the section is written to when it runs.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.has(abi::SHF_WRITE)
    }

    /// Returns whether the section holds instructions.
    #[must_use]
    pub const fn is_code(&self) -> bool {
        self.has(abi::SHF_EXECINSTR)
    }

    /// Returns whether the section holds a copy for each thread.
    #[must_use]
    pub const fn is_thread_local(&self) -> bool {
        self.has(abi::SHF_TLS)
    }

    /// Returns whether the section's bytes are compressed.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        self.has(abi::SHF_COMPRESSED)
    }

    /// Returns whether the section has no bytes in the file.
    #[must_use]
    pub const fn is_bss(&self) -> bool {
        self.kind == abi::SHT_NOBITS
    }

    /// Returns whether the section lists functions to be called before init or after exit.
    #[must_use]
    pub const fn is_function_list(&self) -> bool {
        matches!(self.kind, abi::SHT_INIT_ARRAY | abi::SHT_FINI_ARRAY | abi::SHT_PREINIT_ARRAY)
    }

    /// Returns whether the section is a table of relocations with addends.
    pub(crate) const fn is_relocations(&self) -> bool {
        self.kind == abi::SHT_RELA
    }

    /// Iterates over the section's relocations; it must come from `Object::relocated`.
    pub fn relocations(&self) -> impl Iterator<Item = Rela> + '_ {
        RelaIterator::new(LittleEndian, Class::ELF64, self.data)
    }

    const fn has(&self, flag: u32) -> bool {
        self.flags & flag as u64 != 0 // zero-extension
    }
}

/// Reads every section header, and cuts the bytes it claims out of the file.
pub(crate) fn read_all<'a>(
    bytes: &'a [u8],
    header: &elf_header::Tables,
) -> Result<Vec<Section<'a>>, ElfError> {
    let table = SectionHeaderTable::new(LittleEndian, Class::ELF64, header.table_of(bytes));
    let mut sections = Vec::with_capacity(table.len());
    for (index, raw) in (0..).zip(table.iter()) {
        sections.push(read_section(bytes, index, &raw)?);
    }
    let names = sections.get(usize::from(header.names)).map_or(&[][..], |section| section.data);
    for (section, raw) in sections.iter_mut().zip(table.iter()) {
        let index = section.index;
        section.name =
            read_name(names, raw.sh_name).map_err(|fault| ElfError::SectionName { index, fault })?;
    }
    Ok(sections)
}

fn read_section<'a>(bytes: &'a [u8], index: u32, raw: &SectionHeader) -> Result<Section<'a>, ElfError> {
    let in_file = if matches!(raw.sh_type, abi::SHT_NOBITS | abi::SHT_NULL) { 0 } else { raw.sh_size };
    let data = slice(bytes, raw.sh_offset, in_file);
    let beyond = ElfError::Extent { section: index, offset: raw.sh_offset, size: in_file, file: bytes.len() };
    Ok(Section {
        index,
        name: "",
        data: if in_file == 0 { &[] } else { data.ok_or(beyond)? },
        size: raw.sh_size,
        align: raw.sh_addralign,
        kind: raw.sh_type,
        flags: raw.sh_flags,
        offset: raw.sh_offset,
        link: raw.sh_link,
        info: raw.sh_info,
        entry_size: raw.sh_entsize,
    })
}

/// Refuses two sections that share bytes of the file: a small file could cost any amount of work then.
pub(crate) fn refuse_overlap(sections: &[Section<'_>]) -> Result<(), ElfError> {
    let mut order: Vec<_> = sections.iter().filter(|section| !section.data.is_empty()).collect();
    order.sort_unstable_by_key(|section| section.offset);
    for pair in order.windows(2) {
        if let [low, high] = pair
            && high.offset - low.offset < low.data.len() as u64
        {
            return Err(ElfError::Overlap { section: high.index, with: low.index, offset: high.offset });
        }
    }
    Ok(())
}

/// Finds the symbol table; there must be exactly one.
pub(crate) fn only_symbol_table<'s, 'a>(sections: &'s [Section<'a>]) -> Result<&'s Section<'a>, ElfError> {
    let mut tables = sections.iter().filter(|section| section.kind == abi::SHT_SYMTAB);
    let table = tables.next().ok_or(ElfError::NoSymbolTable)?;
    match tables.next() {
        Some(second) => Err(ElfError::TwoSymbolTables { first: table.index, second: second.index }),
        None => check_entries(table, SYMBOL_BYTES).map(|()| table),
    }
}

/// Returns the bytes of the string table that section `user` links to.
pub(crate) fn string_table<'a>(
    sections: &[Section<'a>],
    user: u32,
    index: u32,
) -> Result<&'a [u8], ElfError> {
    let found = usize::try_from(index).ok().and_then(|index| sections.get(index));
    let strings = found.filter(|section| section.kind == abi::SHT_STRTAB);
    let field = "sh_link";
    let bad = ElfError::Link { section: user, field, needs: "a string table", found: index };
    strings.map(|section| section.data).ok_or(bad)
}

/// Checks a table of relocations; those of sections that are not loaded do not matter.
pub(crate) fn check_relocations(
    table: &Section<'_>,
    all: &[Section<'_>],
    symbols: u32,
) -> Result<(), ElfError> {
    if !matches!(table.kind, abi::SHT_REL | abi::SHT_RELA) {
        return Ok(());
    }
    let section = table.index;
    let link = |field, needs, found| Err(ElfError::Link { section, field, needs, found });
    let target = usize::try_from(table.info).ok().and_then(|index| all.get(index));
    match target {
        None => link("sh_info", "a section of this file", table.info),
        Some(target) if !target.is_loaded() => Ok(()),
        Some(_) if table.kind == abi::SHT_REL => link("sh_type", "SHT_RELA (4)", table.kind),
        Some(_) if table.link != symbols => link("sh_link", "the symbol table", table.link),
        Some(_) => check_entries(table, RELA_BYTES),
    }
}

fn check_entries(table: &Section<'_>, bytes: u64) -> Result<(), ElfError> {
    let section = table.index;
    if table.entry_size != bytes {
        return Err(ElfError::EntrySize { section, expected: bytes, found: table.entry_size });
    }
    if !table.size.is_multiple_of(bytes) {
        return Err(ElfError::PartialEntry { section, entry: bytes, size: table.size });
    }
    Ok(())
}

/// Reads the name at an offset of a string table.
pub(crate) fn read_name(names: &[u8], at: u32) -> Result<&str, NameFault> {
    let rest = usize::try_from(at).ok().and_then(|at| names.get(at..)).ok_or(NameFault::Outside { at })?;
    let window = rest.get(..=NAME_MAX).unwrap_or(rest);
    let len = window.iter().position(|byte| *byte == 0).ok_or(NameFault::Unterminated { at })?;
    text::read(window.get(..len).unwrap_or(&[])).ok_or(NameFault::NotText { at })
}
