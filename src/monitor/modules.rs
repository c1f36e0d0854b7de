//! Loading and unloading modules while the guest stays.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::guest::Guest;
use crate::error::{BootError, InStage};
use crate::module::load;
use crate::module::source::{self, RamdiskPages, Unpacked};
use crate::report;
use crate::stage::Stage;
use ko_loader::{Name, Source};
use pv_memory::memory::Memory;
use xen::Hypervisor;

pub(super) fn list(guest: &Guest<'_>) {
    report::loaded(&guest.modules);
}

/// Loads a module and those that it needs, as far as they are not loaded.
pub(super) fn insert<X: Hypervisor>(name: &str, guest: &mut Guest<'_>, xen: &mut X) {
    if let Err(error) = try_insert(name, guest, xen) {
        log::error!(target: error.stage().name(), "{error}");
    }
}

fn try_insert<X: Hypervisor>(name: &str, guest: &mut Guest<'_>, xen: &mut X) -> Result<(), BootError> {
    if guest.ramdisk.is_none() {
        let layout = guest.boot.layout;
        let (mut memory, _) = guest.memory();
        guest.ramdisk = RamdiskPages::claim(layout, &mut memory, xen)?;
    }
    let Guest { boot, p2m, tables, frames, vmalloc, modules, ramdisk, .. } = guest;
    let memory = &mut Memory { tables, p2m, frames };
    let bytes = ramdisk.as_ref().map(|ramdisk| ramdisk.bytes(memory.tables, xen));
    let unpacked = Unpacked::take(bytes, vmalloc, memory, xen)?;
    let bytes = unpacked.as_ref().map(|unpacked| unpacked.bytes(xen)).or(bytes);
    let found = source::find(bytes, &[name.to_owned()], boot.setup.built_in);
    let done = found.and_then(|sources| {
        let is_needed = |source: &Source<'_>| {
            Name(source.name) == Name(name)
                || !modules.iter().any(|module| Name(&module.name) == Name(source.name))
        };
        let needed: Vec<_> = sources.into_iter().filter(is_needed).collect();
        needed.into_iter().try_for_each(|source| {
            load::load(source, boot.setup.options.inits, modules, vmalloc, memory, xen)
        })
    });
    drop(unpacked);
    let purged = vmalloc.purge(memory, xen).stage(Stage::Module);
    done.and(purged.map(drop))
}

/// Unloads a module, and gives its memory back.
pub(super) fn remove<X: Hypervisor>(name: &str, guest: &mut Guest<'_>, xen: &mut X) {
    let loaded = guest.modules.iter().find(|module| Name(&module.name) == Name(name));
    let name = loaded.map_or_else(|| name.to_owned(), |module| module.name.clone());
    let unloaded = guest.modules.unload(&name, xen);
    let (mut memory, vmalloc) = guest.memory();
    let purged = vmalloc.purge(&mut memory, xen).stage(Stage::Module);
    if let Err(error) = unloaded.and(purged.map(drop)) {
        log::error!(target: error.stage().name(), "{error}");
    }
}
