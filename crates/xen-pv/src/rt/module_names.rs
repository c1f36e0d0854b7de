//! Functions of loaded modules, for call traces: `name+0x.../0x... [module]`.
//!
//! Neighbours: the library passes the names when it loads a module; `symbols` asks for an address outside the image.
//! A trace may be printed while the list is being changed: then it has no names of modules.

use core::fmt;

use crate::addr::VirtAddr;
use crate::{ModuleFunction, ModuleNames};
use alloc::vec::Vec;
use rustc_demangle::demangle;
use spin::Mutex;

static MODULES: Mutex<Vec<ModuleNames>> = Mutex::new(Vec::new());

/// Adds a module's names.
pub(crate) fn learn(names: ModuleNames) {
    forget(names.range.start);
    MODULES.lock().push(names);
}

/// Removes the names of the module at an address.
pub(crate) fn forget(at: VirtAddr) {
    MODULES.lock().retain(|module| !module.range.contains(at));
}

/// Writes the name of the function that `inside` belongs to, with the offset of `address`; `None` if no module has it.
pub(crate) fn print(f: &mut fmt::Formatter<'_>, address: u64, inside: u64) -> Option<fmt::Result> {
    let modules = MODULES.try_lock()?;
    let at = VirtAddr::try_new(inside).ok()?;
    let module = modules.iter().find(|module| module.range.contains(at))?;
    let offset = inside - module.range.start.as_u64();
    let owns = |function: &&ModuleFunction| {
        let within = offset.checked_sub(u64::from(function.offset));
        within.is_some_and(|within| within < u64::from(function.size))
    };
    Some(match module.functions.iter().find(owns) {
        Some(ModuleFunction { offset: start, size, name }) => {
            let within = address - module.range.start.as_u64() - u64::from(*start);
            write!(f, "{:#}+{within:#x}/{size:#x} [{}]", demangle(name), module.module)
        }
        None => write!(f, "{address:#018x} [{}]", module.module),
    })
}
