//! Loading and unloading modules while the guest stays.

use alloc::borrow::ToOwned;

use super::home::Home;
use crate::error::{BootError, InStage};
use crate::module::load;
use crate::module::source::{self, RamdiskPages, Unpacked};
use crate::report;
use crate::stage::Stage;
use xen::Hypervisor;

pub(super) fn list(home: &Home<'_>) {
    report::loaded(&home.modules);
}

/// Loads a module and those that it needs, as far as they are not loaded.
pub(super) fn insert<X: Hypervisor>(name: &str, home: &mut Home<'_>, xen: &mut X) {
    if let Err(error) = try_insert(name, home, xen) {
        log::error!(target: error.stage().name(), "{error}");
    }
}

fn try_insert<X: Hypervisor>(name: &str, home: &mut Home<'_>, xen: &mut X) -> Result<(), BootError> {
    let Home { boot, p2m, tables, frames, vmalloc, modules, ramdisk, .. } = home;
    let memory = &mut pv_memory::memory::Memory { tables, p2m, frames };
    if ramdisk.is_none() {
        *ramdisk = RamdiskPages::claim(boot.layout, memory, xen)?;
    }
    let bytes = ramdisk.as_ref().map(|ramdisk| ramdisk.bytes(memory.tables, xen));
    let unpacked = Unpacked::take(bytes, vmalloc, memory, xen)?;
    let bytes = unpacked.as_ref().map(|unpacked| unpacked.bytes(xen)).or(bytes);
    let sources = source::find(bytes, &[name.to_owned()], boot.setup.built_in)?;
    let mut done = Ok(());
    for source in sources {
        let is_loaded =
            modules.iter().any(|module| ko_loader::Name(&module.name) == ko_loader::Name(source.name));
        if source.name != name && is_loaded {
            continue;
        }
        done = load::load(source, boot.setup.options.inits, modules, vmalloc, memory, xen);
        if done.is_err() {
            break;
        }
    }
    drop(unpacked);
    vmalloc.purge(memory, xen).stage(Stage::Module)?;
    done
}

/// Unloads a module, and gives its memory back.
pub(super) fn remove<X: Hypervisor>(name: &str, home: &mut Home<'_>, xen: &mut X) {
    let unloaded = home.modules.unload(name, xen);
    let (mut memory, vmalloc) = home.memory();
    let purged = vmalloc.purge(&mut memory, xen).stage(Stage::Module);
    if let Err(error) = unloaded.and(purged.map(drop)) {
        log::error!(target: error.stage().name(), "{error}");
    }
}
