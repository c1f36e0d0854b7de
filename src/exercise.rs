//! Stages 8 and 9 put to use: areas are mapped, written, guarded and returned; modules are loaded, run, unloaded.
//!
//! The point of the boot is that this works, so it ends in the proof: every frame taken is given back, but for the
//! page tables of the areas, which stay for the next ones. Neighbours: called by `boot`, uses `pv_memory::vmalloc` and
//! `module`.

use alloc::vec::Vec;

use crate::conformance;
use crate::error::{BootError, InStage};
use crate::module::load::{self, Modules};
use crate::module::source::{self, RamdiskPages, Unpacked};
use crate::report;
use crate::setup::Setup;
use crate::stage::Stage;
use pv_memory::error::MmError;
use pv_memory::frames::Zone;
use pv_memory::layout::Layout;
use pv_memory::memory::Memory;
use pv_memory::vmalloc::{Area, Near, Vmalloc};
use xen::Hypervisor;
use xen::addr::{PAGE_SIZE, VirtAddr};
use xen::verdict::Verdict;

/// Pages of the trial areas: one, a few, and more than one L1 table maps.
const TRIAL_PAGES: [u64; 3] = [1, 4, 513];

/// Maps trial areas, writes to each of their pages, proves guard pages and unmapping, and returns everything.
pub(crate) fn vmalloc<X: Hypervisor>(
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let before = Balance::read(memory);
    let mut areas = Vec::new();
    for pages in TRIAL_PAGES {
        let mut area = vmalloc.allocate(Near::Nothing, pages, memory, xen).stage(Stage::Vmalloc)?;
        write_addresses(&mut area, xen);
        report::area(&area);
        areas.push(area);
    }
    for area in &areas {
        read_addresses(area, xen)?;
        must_fault(area.guard(), xen)?;
    }
    let starts: Vec<VirtAddr> = areas.iter().map(|area| area.span().start()).collect();
    drop(areas);
    let count = vmalloc.purge(memory, xen).stage(Stage::Vmalloc)?;
    for start in starts {
        must_fault(start, xen)?;
    }
    before.check(memory)?;
    report::purged(count);
    Ok(())
}

/// Every page holds its own address, so that two pages mapped to one frame show.
fn write_addresses<X: Hypervisor>(area: &mut Area, xen: &mut X) {
    for page in 0..area.span().pages() {
        let at = area.span().start().as_u64() + page * PAGE_SIZE;
        area.page_mut(xen, page)[0] = at;
    }
}

fn read_addresses<X: Hypervisor>(area: &Area, xen: &X) -> Result<(), BootError> {
    for page in 0..area.span().pages() {
        let at = area.span().start().as_u64() + page * PAGE_SIZE;
        if area.span().first_word(xen, page) != at {
            return Err(BootError::Pattern(at));
        }
    }
    Ok(())
}

fn must_fault<X: Hypervisor>(at: VirtAddr, xen: &mut X) -> Result<(), BootError> {
    match xen.probe(at) {
        Ok(_) => Err(BootError::StillMapped(at.as_u64())),
        Err(_) => Ok(()),
    }
}

/// Pages lent to the heap while modules are loaded: 2 MiB, for lists of symbols and pages.
const LOAN_PAGES: u64 = 512;

/// Lends the heap some pages, and does stage 9. A domain that has none to lend does without.
pub(crate) fn modules<X: Hypervisor>(
    layout: &Layout,
    setup: &Setup<'_>,
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let loan = memory.frames.take(Zone::Mapped(memory.tables.window()), LOAN_PAGES).ok();
    if let Some(loan) = &loan {
        memory.tables.window().lend(xen, loan);
    }
    let done = load_and_unload(layout, setup, vmalloc, memory, xen);
    match loan {
        Some(loan) if xen.take_back() => {
            memory.frames.give_back(loan).map_err(MmError::from).stage(Stage::Module).and(done)
        }
        _ => done,
    }
}

/// Loads the modules that the ramdisk or the image has, then unloads them in reverse.
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

/// A module that another one uses must not go.
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

/// Modules that did not load or unload: the others do nevertheless. There may be thousands, so each is told at once
/// and forgotten.
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

    /// Reports a failure now, unless the boot will end with just that.
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

/// Runs the conformance programs, a line each.
pub(crate) fn conformance<X: Hypervisor>(memory: &mut Memory<'_>, xen: &mut X) -> Result<(), BootError> {
    for group in conformance::all() {
        conformance::run(group, memory, xen, report::conformance).stage(Stage::Conformance)?;
    }
    Ok(())
}

/// Frames and tables at one moment; pages found to have no frame count as if they were still free.
struct Balance {
    free: u64,
    tables: u64,
}

impl Balance {
    fn read(memory: &Memory<'_>) -> Self {
        let free = memory.frames.free_pages() + memory.frames.discarded_pages();
        Self { free, tables: memory.tables.added() as u64 }
    }

    /// What was free before must be free now, or be a page table.
    fn check(&self, memory: &Memory<'_>) -> Result<(), BootError> {
        let now = Self::read(memory);
        let (expected, found) = (self.free - (now.tables - self.tables), now.free);
        if expected == found { Ok(()) } else { Err(BootError::Leak { expected, found }) }
    }
}
