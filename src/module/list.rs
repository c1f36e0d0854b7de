//! The loaded modules: which symbols each exports, which modules it uses, and which can be unloaded.
//!
//! A symbol is looked up in the kernel's export table, then in the modules in the order in which they were loaded. A
//! name is exported only once: a module that exports it again is refused. A module that a later one uses stays until
//! that one has been unloaded.
//!
//! Neighbours: `load` adds, `driver` unloads. Lineage: Linux `resolve_symbol`, `verify_exported_symbols`,
//! `module_refcount`, the file /proc/modules.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::call::call;
use super::export::Export;
use crate::error::BootError;
use crate::stage::Stage;
use ko_loader::{CLEANUP, Image, Name, SymbolError};
use pv_memory::vmalloc::Area;
use xen::Hypervisor;
use xen::addr::VirtAddr;

/// A module that is in the module area, relocated and initialised.
#[derive(Debug)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub area: Area,
    pub(super) cleanup: Option<VirtAddr>,
    /// Names that it exports, with their addresses, sorted by name.
    pub(super) offers: Vec<(String, u64)>,
    /// Modules that it uses.
    pub(super) uses: Vec<String>,
}

/// The export table and the modules, in the order in which they were loaded.
#[derive(Debug)]
pub struct Modules<'e> {
    kernel: &'e [Export],
    loaded: Vec<Loaded>,
}

impl<'e> Modules<'e> {
    /// Starts with no module.
    #[must_use]
    pub const fn new(kernel: &'e [Export]) -> Self {
        Self { kernel, loaded: Vec::new() }
    }

    /// Iterates over the modules, first to last.
    pub fn iter(&self) -> impl Iterator<Item = &Loaded> {
        self.loaded.iter()
    }

    /// Iterates over the modules that use the one with this name.
    pub fn users<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let uses = move |module: &&Loaded| module.uses.iter().any(|used| used == name);
        self.loaded.iter().filter(uses).map(|module| module.name.as_str())
    }

    /// Unloads a module: runs its exit function, and drops its area.
    ///
    /// # Errors
    /// [`BootError::NoSuchModule`], [`BootError::InUse`]; [`BootError::Trapped`] if an exception ended its exit
    /// function (the module is unloaded nevertheless).
    pub fn unload<X: Hypervisor>(&mut self, name: &str, xen: &mut X) -> Result<(), BootError> {
        let at = self.loaded.iter().position(|module| module.name == name);
        let at = at.ok_or_else(|| BootError::NoSuchModule(name.to_owned()))?;
        let users: Vec<String> = self.users(name).map(str::to_owned).collect();
        if !users.is_empty() {
            return Err(BootError::InUse(name.to_owned(), users));
        }
        self.loaded.remove(at).exit(xen)
    }

    /// Unloads the module that was loaded last; no other can be using it. `None` if there is no module.
    ///
    /// # Errors
    /// As for [`Modules::unload`].
    pub fn unload_last<X: Hypervisor>(&mut self, xen: &mut X) -> Option<Result<(), BootError>> {
        self.loaded.pop().map(|module| module.exit(xen))
    }

    /// Finds a symbol: its address, and the module that exports it if it is not the kernel's.
    pub(super) fn find(&self, symbol: &str) -> Option<(u64, Option<&Loaded>)> {
        let kernel = self.kernel.iter().find(|export| export.name == symbol);
        kernel.map(|export| (export.address.as_u64(), None)).or_else(|| {
            self.loaded.iter().find_map(|module| {
                let at = module.offers.binary_search_by(|(name, _)| name.as_str().cmp(symbol)).ok()?;
                Some((module.offers[at].1, Some(module)))
            })
        })
    }

    /// Refuses a module if its name or one of its symbols exists already.
    pub(super) fn refuse_duplicates(&self, name: &str, image: &Image<'_>) -> Result<(), SymbolError> {
        if self.loaded.iter().any(|module| Name(&module.name) == Name(name)) {
            return Err(SymbolError::Loaded);
        }
        for offer in image.offers() {
            if let Some((_, owner)) = self.find(offer.name) {
                let owner = owner.map_or("the kernel", |module| module.name.as_str());
                return Err(SymbolError::Duplicate { name: offer.name.into(), owner: owner.into() });
            }
        }
        Ok(())
    }

    /// The names of the modules whose symbols `image` uses.
    pub(super) fn used_by(&self, image: &Image<'_>) -> Vec<String> {
        let owners = image.undefined().filter_map(|symbol| self.find(symbol)?.1);
        let mut names: Vec<String> = Vec::new();
        for name in owners.map(|module| &module.name) {
            if let Err(at) = names.binary_search(name) {
                names.insert(at, name.clone());
            }
        }
        names
    }

    pub(super) fn add(&mut self, module: Loaded) {
        self.loaded.push(module);
    }
}

impl Loaded {
    fn exit<X: Hypervisor>(self, xen: &mut X) -> Result<(), BootError> {
        let result = self.cleanup.map_or(Ok(0), |entry| call(entry, xen));
        xen.forget_names(self.area.range().start);
        log::info!(target: Stage::Module.name(), "{}: unloaded from {}", self.name, self.area.range());
        result.map(drop).map_err(|trapped| BootError::Trapped(self.name.clone(), CLEANUP, trapped))
    }
}

/// The list in the form of Linux's /proc/modules: name, bytes, users, their names, state, address.
impl fmt::Display for Modules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, module) in self.loaded.iter().enumerate() {
            let range = module.area.range();
            let users: Vec<&str> = self.users(&module.name).collect();
            let names = if users.is_empty() { "-".to_owned() } else { users.join(",") + "," };
            let end = if number == 0 { "" } else { "\n" };
            write!(
                f,
                "{end}{} {} {} {names} Live {:#018x}",
                module.name,
                range.bytes,
                users.len(),
                range.start
            )?;
        }
        Ok(())
    }
}
