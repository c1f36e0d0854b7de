//! Stage 9, from the ramdisk to the last module unloaded.
//!
//! The purpose of the boot is that modules can be loaded, so it ends with the proof: all are loaded and unloaded, and
//! every frame taken is given back, except the page tables of the areas, which stay for later ones. Neighbours: called
//! by `boot`; `source` finds the modules, `load` loads one, `list` unloads.

use super::list::Modules;
use super::source::{RamdiskPages, Unpacked};
use super::{load, loan, source};
use crate::balance::Balance;
use crate::error::{BootError, InStage};
use crate::report;
use crate::setup::Setup;
use crate::stage::Stage;
use pv_memory::error::MmError;
use pv_memory::layout::Layout;
use pv_memory::memory::Memory;
use pv_memory::vmalloc::Vmalloc;
use xen::Hypervisor;
use xen::verdict::Verdict;

/// Lends the heap some pages, and runs stage 9. A domain without free pages runs it without them.
pub(crate) fn run<X: Hypervisor>(
    layout: &Layout,
    setup: &Setup<'_>,
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let loan = loan::lend(memory.tables, memory.frames, xen);
    let done = load_and_unload(layout, setup, vmalloc, memory, xen);
    match loan {
        Some(loan) if xen.take_back() => {
            memory.frames.give_back(loan).map_err(MmError::from).stage(Stage::Module).and(done)
        }
        _ => done,
    }
}

/// Loads the modules from the ramdisk or the image, then unloads them in reverse order.
fn load_and_unload<X: Hypervisor>(
    layout: &Layout,
    setup: &Setup<'_>,
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let ramdisk = RamdiskPages::claim(layout, memory, xen)?;
    let bytes = ramdisk.as_ref().map(|ramdisk| ramdisk.bytes(memory.tables, xen));
    let before = Balance::read(memory);
    let unpacked = Unpacked::take(bytes, vmalloc, memory, xen)?;
    let bytes = unpacked.as_ref().map(|unpacked| unpacked.bytes(xen)).or(bytes);
    let sources = source::find(bytes, &setup.options.modules, setup.built_in)?;
    let mut modules = Modules::new(setup.exports);
    let mut failures = Failures::among(sources.len());
    for source in sources {
        let result = load::load(source, setup.options.inits, &mut modules, vmalloc, memory, xen);
        failures.note(result);
    }
    report::loaded(&modules);
    refuse_unload(&mut modules, xen)?;
    while let Some(result) = modules.unload_last(xen) {
        failures.note(result);
    }
    drop(unpacked);
    vmalloc.purge(memory, xen).stage(Stage::Module)?;
    before.check(memory)?;
    failures.end()
}

/// A module that another one uses must not be unloaded.
fn refuse_unload<X: Hypervisor>(modules: &mut Modules<'_>, xen: &mut X) -> Result<(), BootError> {
    let used = modules.iter().map(|module| &module.name).find(|name| modules.users(name).next().is_some());
    let Some(name) = used.cloned() else { return Ok(()) };
    match modules.unload(&name, xen) {
        Err(error @ BootError::InUse(..)) => {
            report::refused(&error);
            Ok(())
        }
        _ => Err(BootError::Lost(name)),
    }
}

/// Modules that failed to load or unload, which does not stop the others. There may be thousands, so each is reported
/// at once and not kept.
struct Failures {
    of: usize,
    failed: usize,
    worst: Option<Verdict>,
    only: Option<BootError>,
}

impl Failures {
    const fn among(of: usize) -> Self {
        Self { of, failed: 0, worst: None, only: None }
    }

    /// Reports a failure now, unless the boot ends with this very error.
    fn note(&mut self, result: Result<(), BootError>) {
        let Err(error) = result else { return };
        self.failed += 1;
        self.worst = self.worst.max(Some(error.verdict()));
        if self.of > 1 {
            log::error!(target: error.stage().name(), "{error}");
        } else {
            self.only = Some(error);
        }
    }

    fn end(self) -> Result<(), BootError> {
        let Self { of, failed, worst, only } = self;
        match (only, worst) {
            (Some(error), _) => Err(error),
            (None, Some(worst)) => Err(BootError::Modules { failed, of, worst }),
            (None, None) => Ok(()),
        }
    }
}
