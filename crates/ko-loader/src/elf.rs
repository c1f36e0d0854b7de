//! View of a relocatable x86-64 object: stage 9 opens a module's bytes.
//!
//! The bytes are untrusted. `Object::parse` checks the header, every section header, every name and every symbol
//! once, in time linear in the file: no two sections may share file bytes, no name is longer than `NAME_MAX`. After
//! that each accessor can only succeed, and the later steps trust what they read. Nothing is copied but the table of
//! sections.
//!
//! Neighbours: before it, `newc` or a module linked into the image; after it, `plan` takes the `Object` by value.
//! Sources: System V gABI, chapter 4 (ELF header, sections, symbol table); x86-64 psABI 4.1 to 4.4.

use alloc::vec::Vec;

use ::elf::abi;
use ::elf::endian::LittleEndian;
use ::elf::file::Class;
use ::elf::symbol::SymbolTable;

use crate::elf_error::ElfError;
use crate::elf_header;
use crate::section::{self, Section, read_name};

/// How the sections begin that hold GCC's representation of a program, for link-time optimization.
const LTO_SECTIONS: &str = ".gnu.lto_";
/// Mark of an object that holds nothing else. Source: GCC's lto-plugin and collect2, which look for it too.
const LTO_SLIM: &str = "__gnu_lto_slim";

/// Relocatable object whose tables have been checked.
#[derive(Debug)]
pub struct Object<'a> {
    sections: Vec<Section<'a>>,
    symbols: SymbolTable<'a, LittleEndian>,
    names: &'a [u8],
}

/// Symbol of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Index in the symbol table.
    pub index: u32,
    /// Where it is defined.
    pub home: Home,
    /// Offset in its section, or an absolute value.
    pub value: u64,
    /// Size in bytes; 0 if unknown.
    pub size: u64,
    /// `STB_*`, `STT_*` and the name, still as numbers.
    bind: u8,
    kind: u8,
    name_at: u32,
}

/// Where a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Elsewhere: the kernel must export it.
    Undefined,
    /// Nowhere: its value is the address.
    Absolute,
    /// Nowhere yet: a linker would allocate it.
    Common,
    /// In the section with this index.
    Section(u32),
}

impl<'a> Object<'a> {
    /// Opens and checks the object in `bytes`.
    ///
    /// # Errors
    ///
    /// The first check that fails: field, file offset or index, what was expected and what was found.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        let header = elf_header::read(bytes)?;
        let sections = section::read_all(bytes, &header)?;
        section::refuse_overlap(&sections)?;
        let table = section::only_symbol_table(&sections)?;
        for section in &sections {
            section::check_relocations(section, &sections, table.index)?;
        }
        let names = section::string_table(&sections, table.index, table.link)?;
        let symbols = SymbolTable::new(LittleEndian, Class::ELF64, table.data);
        let object = Self { sections, symbols, names };
        object.check_symbols()?;
        object.check_compiled()?;
        Ok(object)
    }

    /// Returns the sections; the position is the index, the first one is empty.
    #[must_use]
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// Returns the section with this index.
    #[must_use]
    pub fn section(&self, index: u32) -> Option<&Section<'a>> {
        self.sections.get(usize::try_from(index).ok()?)
    }

    /// Returns the symbol with this index.
    #[must_use]
    pub fn symbol(&self, index: u32) -> Option<Symbol> {
        let raw = self.symbols.get(usize::try_from(index).ok()?).ok()?;
        Some(Symbol {
            index,
            home: home_of(raw.st_shndx),
            value: raw.st_value,
            size: raw.st_size,
            bind: raw.st_bind(),
            kind: raw.st_symtype(),
            name_at: raw.st_name,
        })
    }

    /// Iterates over the symbols but the first, which stands for "none".
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        (1..self.symbol_count()).filter_map(|index| self.symbol(index))
    }

    /// Returns the number of symbols, the first one included.
    #[must_use]
    pub fn symbol_count(&self) -> u32 {
        u32::try_from(self.symbols.len()).unwrap_or(u32::MAX)
    }

    /// Returns a symbol's name; a section symbol has none of its own and goes by its section's.
    #[must_use]
    pub fn name_of(&self, symbol: &Symbol) -> &'a str {
        match symbol.home {
            Home::Section(index) if symbol.kind == abi::STT_SECTION => {
                self.section(index).map_or("", |section| section.name)
            }
            _ => read_name(self.names, symbol.name_at).unwrap_or(""),
        }
    }

    /// Iterates over the sections that hold relocations of loaded sections, each with its target.
    pub fn relocated(&self) -> impl Iterator<Item = (&Section<'a>, &Section<'a>)> + '_ {
        let tables = self.sections.iter().filter(|section| section.is_relocations());
        let pairs = tables.filter_map(|table| Some((table, self.section(table.info)?)));
        pairs.filter(|(_, target)| target.is_loaded())
    }

    fn check_symbols(&self) -> Result<(), ElfError> {
        for symbol in self.symbols() {
            let index = symbol.index;
            read_name(self.names, symbol.name_at).map_err(|fault| ElfError::SymbolName { index, fault })?;
            if let Home::Section(section) = symbol.home
                && self.section(section).is_none()
            {
                let count = self.sections.len() as u64; // usize is 64 bits wide
                return Err(ElfError::SymbolHome { index, expected: count, found: section });
            }
        }
        Ok(())
    }
}

impl Object<'_> {
    /// Refuses what GCC's `-flto` writes: its own representation in sections of their own, marked by a common symbol.
    /// With `-ffat-lto-objects` the code is there too, and the mark is not.
    fn check_compiled(&self) -> Result<(), ElfError> {
        let has_ir = self.sections.iter().any(|section| section.name.starts_with(LTO_SECTIONS));
        let slim = |symbol: Symbol| symbol.home == Home::Common && self.name_of(&symbol) == LTO_SLIM;
        if has_ir && self.symbols().any(slim) { Err(ElfError::LinkTimeOptimization) } else { Ok(()) }
    }
}

impl Symbol {
    /// Returns whether the symbol may stay undefined, and is 0 then.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        self.bind == abi::STB_WEAK
    }

    /// Returns whether only this object sees the symbol.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.bind == abi::STB_LOCAL
    }

    /// Returns whether the symbol names a function.
    #[must_use]
    pub const fn is_function(&self) -> bool {
        self.kind == abi::STT_FUNC
    }

    /// Returns whether the symbol is an offset into a thread's block, not an address.
    #[must_use]
    pub const fn is_thread_local(&self) -> bool {
        self.kind == abi::STT_TLS
    }

    /// Returns whether the symbol's address is what a function returns at load time.
    #[must_use]
    pub const fn is_indirect(&self) -> bool {
        self.kind == abi::STT_GNU_IFUNC
    }
}

const fn home_of(index: u16) -> Home {
    match index {
        abi::SHN_UNDEF => Home::Undefined,
        abi::SHN_ABS => Home::Absolute,
        abi::SHN_COMMON => Home::Common,
        // SHN_XINDEX and the other reserved ones are beyond any section table that `elf_header` accepts.
        other => Home::Section(other as u32),
    }
}
