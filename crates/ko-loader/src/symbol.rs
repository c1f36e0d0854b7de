//! Symbols of a module: what it defines, what it takes from the kernel, where it is entered.
//!
//! A symbol is local or defined (its section's place decides), absolute (its value is the address) or undefined
//! (the kernel's exports decide). Unknown names are collected and reported together: the author of a
//! module needs the whole list, not one name for each boot.
//!
//! Neighbours: `elf` gives the raw symbols; `reloc` asks for addresses; the loader calls the entry points; a trace
//! asks which function an address is in. Sources: System V gABI, chapter 4 "Symbol Table"; the entry points' names
//! are those of Linux's kernel/module/main.c.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::elf::{Home, Object, Symbol};
use crate::image::{Entries, Image};
use crate::part::Lifetime;

/// Function that starts a module.
pub const INIT: &str = "init_module";
/// Function that ends a module.
pub const CLEANUP: &str = "cleanup_module";
/// Name by which code refers to the GOT itself.
const GOT_NAME: &str = "_GLOBAL_OFFSET_TABLE_";
/// Bytes of names that an error keeps; what does not fit is counted.
const UNKNOWN_BYTES: usize = 64 << 10;

/// Why a module's symbols cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolError {
    /// The kernel does not export these names.
    Unknown(Unknown),
    /// A symbol of a kind that the loader does not serve.
    Unsupported { name: String, what: &'static str },
    /// There is no global `init_module`, and the object was not made for Linux, whose libraries need none.
    NoInit,
    /// A symbol that the module offers is there already.
    Duplicate { name: String, owner: String },
    /// A module of this name is there already.
    Loaded,
    /// An entry point is not in the part of the image that holds its kind of code.
    Entry { name: &'static str, needs: &'static str },
}

/// Names without an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// The names, in the order of the symbol table; all of them unless they take more than 64 KiB.
    pub names: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

/// Function of a module, for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Name, as the symbol table has it.
    pub name: &'a str,
    /// Offset in the image.
    pub offset: u64,
    /// Size in bytes; 0 if unknown.
    pub size: u64,
}

/// Symbols of an image at a base address, each with an address of its own.
#[derive(Debug)]
pub(crate) struct Bound<'i, 'a> {
    image: &'i Image<'a>,
    base: u64,
    /// Undefined symbols, by index, ascending.
    externals: Vec<(u32, u64)>,
}

impl<'a> Image<'a> {
    /// Iterates over the names that the kernel must export, or may (weak ones are 0 else).
    pub fn undefined(&self) -> impl Iterator<Item = &'a str> + '_ {
        let symbols = self.object.symbols().filter(|symbol| symbol.home == Home::Undefined);
        symbols.map(|symbol| self.object.name_of(&symbol)).filter(|name| *name != GOT_NAME)
    }

    /// Iterates over the functions, in the order of the symbol table.
    pub fn functions(&self) -> impl Iterator<Item = Function<'a>> + '_ {
        self.object.symbols().filter(Symbol::is_function).filter_map(|symbol| {
            let offset = self.symbol_offset(&symbol)?;
            Some(Function { name: self.object.name_of(&symbol), offset, size: symbol.size })
        })
    }

    /// Returns the function that the byte at `offset` belongs to.
    #[must_use]
    pub fn function_at(&self, offset: u64) -> Option<Function<'a>> {
        self.functions().find(|function| offset.wrapping_sub(function.offset) < function.size)
    }
}

impl Entries {
    /// Finds the entry points: `init_module` must be there but in a Linux library, `cleanup_module` must survive
    /// initialization.
    pub(crate) fn find(image: &Image<'_>) -> Result<Self, SymbolError> {
        let init = entry(image, INIT)?.map(|(offset, _)| offset);
        if init.is_none() && !image.object.is_linux() {
            return Err(SymbolError::NoInit);
        }
        let cleanup = match entry(image, CLEANUP)? {
            Some((_, Lifetime::Init)) => {
                return Err(SymbolError::Entry { name: CLEANUP, needs: "code that outlives initialization" });
            }
            found => found.map(|(offset, _)| offset),
        };
        Ok(Self { init, cleanup })
    }
}

/// Refuses symbols that no address can be given to.
pub(crate) fn check(object: &Object<'_>) -> Result<(), SymbolError> {
    for symbol in object.symbols() {
        let what = if symbol.home == Home::Common {
            "a common symbol (compile with -fno-common)"
        } else if symbol.is_thread_local() {
            "a thread-local symbol"
        } else if symbol.is_indirect() {
            "an indirect function"
        } else {
            continue;
        };
        return Err(SymbolError::Unsupported { name: object.name_of(&symbol).into(), what });
    }
    Ok(())
}

fn entry(image: &Image<'_>, name: &'static str) -> Result<Option<(u64, Lifetime)>, SymbolError> {
    let mut globals = image.object.symbols().filter(|symbol| !symbol.is_local());
    let Some(symbol) = globals.find(|symbol| image.object.name_of(symbol) == name) else {
        return Ok(None);
    };
    let Home::Section(index) = symbol.home else {
        return Ok(None);
    };
    let bad = SymbolError::Entry { name, needs: "an offset inside a section of code" };
    let section =
        image.object.section(index).filter(|section| section.is_code() && symbol.value < section.size);
    let offset = section.and_then(|_| image.symbol_offset(&symbol)).ok_or(bad.clone())?;
    let part = image.parts().find(|part| offset.wrapping_sub(part.offset) < part.bytes).ok_or(bad)?;
    Ok(Some((offset, part.kind.lifetime())))
}

impl<'i, 'a> Bound<'i, 'a> {
    /// Binds the undefined symbols of `image` through `resolve`.
    pub(crate) fn new(
        image: &'i Image<'a>,
        base: u64,
        resolve: impl Fn(&str) -> Option<u64>,
    ) -> Result<Self, SymbolError> {
        let mut bound = Self { image, base, externals: Vec::new() };
        let mut unknown = Unknown::default();
        let mut kept = 0;
        for symbol in image.object.symbols().filter(|symbol| symbol.home == Home::Undefined) {
            let name = image.object.name_of(&symbol);
            let found = match name {
                GOT_NAME => Some(bound.got()),
                _ => resolve(name).or_else(|| symbol.is_weak().then_some(0)),
            };
            match found {
                Some(address) => bound.externals.push((symbol.index, address)),
                None => unknown.add(name, &mut kept),
            }
        }
        if unknown.names.is_empty() { Ok(bound) } else { Err(SymbolError::Unknown(unknown)) }
    }

    /// Returns the address of the first entry of the GOT.
    pub(crate) const fn got(&self) -> u64 {
        self.base.wrapping_add(self.image.got.offset)
    }

    /// Returns a symbol's address; none if it is in a section that is not loaded. Symbol 0 is address 0.
    pub(crate) fn address(&self, index: u32) -> Option<u64> {
        let symbol = self.image.object.symbol(index)?;
        match symbol.home {
            Home::Absolute => Some(symbol.value),
            Home::Section(_) => Some(self.base.wrapping_add(self.image.symbol_offset(&symbol)?)),
            Home::Undefined if index == 0 => Some(0),
            Home::Undefined | Home::Common => {
                let at = self.externals.binary_search_by_key(&index, |(known, _)| *known).ok()?;
                self.externals.get(at).map(|(_, address)| *address)
            }
        }
    }
}

impl Unknown {
    fn add(&mut self, name: &str, kept: &mut usize) {
        *kept += name.len() + size_of::<String>();
        if self.names.is_empty() || *kept <= UNKNOWN_BYTES {
            self.names.push(name.into());
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for SymbolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(unknown) => {
                write!(f, "unknown symbols: {}", unknown.names.join(", "))?;
                if unknown.more > 0 { write!(f, " and {} more", unknown.more) } else { Ok(()) }
            }
            Self::Unsupported { name, what } => {
                write!(f, "symbol {name}: expected code or data, found {what}")
            }
            Self::NoInit => write!(f, "expected a global function {INIT}, found none"),
            Self::Duplicate { name, owner } => {
                write!(f, "symbol {name}: expected a new name, found one that {owner} exports")
            }
            Self::Loaded => {
                f.write_str("expected a module that is not loaded yet, found its name in the list")
            }
            Self::Entry { name, needs } => write!(f, "{name}: expected {needs}, found another place"),
        }
    }
}
