//! The boot: nine stages, each consuming the product of the one before.
//!
//! | # | stage | gives |
//! | --- | --- | --- |
//! | 1 | parse start_info | `BootInfo` |
//! | 2 | layout | `Layout` |
//! | 3 | walk the builder's page tables | `BootTables` |
//! | 4 | direct map, rights of the image | `Tables` |
//! | 5 | P2M over the builder's list | `P2m<Initial>` |
//! | 6 | revector | `P2m<Moved>`, `Retired` |
//! | 7 | clean the high mapping | `ModuleSpace` |
//! | 8 | vmalloc | `Vmalloc` |
//! | 9 | modules | a verdict |
//!
//! With `after=monitor` the guest stays (`monitor`).
//!
//! Called by the image's entry with real Xen behind the seam, and by tests with a model.

use crate::conformance;
use crate::error::{BootError, InStage};
use crate::meter::Meter;
use crate::module::driver;
use crate::monitor;
use crate::options::{After, Cleanup, Limits, Options, Selftest};
use crate::outside;
use crate::report;
pub use crate::setup::Setup;
use crate::stage::Stage;
use crate::trial;
use pv_memory::cleanup::ModuleSpace;
use pv_memory::direct_map;
use pv_memory::frames::Frames;
use pv_memory::layout::Layout;
use pv_memory::limits;
use pv_memory::memory::Memory;
use pv_memory::p2m::verify::Verified;
use pv_memory::p2m::{self, Fate, P2m, Retired, Strategy};
use pv_memory::resources::Resources;
use pv_memory::vmalloc::Vmalloc;
use pv_memory::walk::BootTables;
use xen::abi::{Shutdown, StartInfo};
use xen::addr::VirtAddr;
use xen::start_info::BootInfo;
use xen::{Gauge, Hypervisor, Resident};

/// Boots: all nine stages. Returns how the domain shall end.
///
/// # Errors
/// [`BootError`] of the first stage that cannot do its work or finds something false.
pub fn boot<X: Hypervisor + Gauge + Resident>(
    raw: &StartInfo,
    setup: &Setup<'_>,
    xen: &mut X,
) -> Result<Shutdown, BootError> {
    let (facts, options) = (&setup.facts, setup.options);
    let mut meter = Meter::start(xen);
    let info = BootInfo::parse(raw, *facts, xen)?;
    report::start_info(&info);
    meter.lap_early(Stage::StartInfo, xen);

    let layout = Layout::plan(&info)?;
    report::layout(&layout);
    meter.lap_early(Stage::Layout, xen);

    let tables = BootTables::walk(&layout, facts, xen, |line| report::mapping("before", line))?;
    report::walk(&tables, &layout);
    meter.lap_early(Stage::Walk, xen);

    let frames = &mut Frames::new(layout.free());
    report::frames(frames);
    let tables = &mut direct_map::build(tables, &layout, facts, frames, xen).stage(Stage::DirectMap)?;
    meter.lap(Stage::DirectMap, tables, frames, xen);

    let strategy = options.strategy.unwrap_or_else(|| Strategy::for_pages(layout.nr_pages));
    let p2m = P2m::build(&layout, strategy, tables, frames, xen).stage(Stage::P2m)?;
    report::p2m(&p2m);
    meter.lap(Stage::P2m, tables, frames, xen);
    let seen = verify(&Memory { tables, p2m: &p2m, frames }, options, &mut meter, xen)?;

    let outcome = p2m::revector(p2m, tables, frames, xen).stage(Stage::Revector)?;
    report::revectored(&outcome);
    meter.lap(Stage::Revector, tables, frames, xen);
    let (mut p2m, retired) = outcome.into_parts();

    let mut memory = Memory { tables, p2m: &p2m, frames };
    let space = match retired {
        None => ModuleSpace::unproved(),
        Some(retired) => {
            compare(&seen, verify(&memory, options, &mut meter, xen)?)?;
            let space = clean(retired, &layout, setup, &mut memory, xen)?;
            meter.lap(Stage::Cleanup, memory.tables, memory.frames, xen);
            space
        }
    };
    let vmalloc = &mut Vmalloc::new(space);
    use_modules(vmalloc, &layout, setup, &mut memory, &mut meter, xen)?;
    let mut resources = Resources { tables, frames };
    outside::prepare(options, &mut p2m, &mut resources, xen).stage(Stage::P2m)?;
    if options.after == After::PowerOff {
        return Ok(Shutdown::PowerOff);
    }
    let boot = monitor::Boot { info: &info, layout: &layout, setup, laps: meter.into_laps() };
    Ok(monitor::stay(&mut monitor::Guest::new(boot, &mut p2m, resources, vmalloc), xen))
}

fn verify<X: Hypervisor>(
    memory: &Memory<'_>,
    options: &Options,
    meter: &mut Meter,
    xen: &X,
) -> Result<Verified, BootError> {
    let seen = memory.p2m.verify(memory.tables, xen, options.verify);
    report::verified(&seen, options.verify);
    meter.lap(Stage::Verify, memory.tables, memory.frames, xen);
    if seen.is_good() { Ok(seen) } else { Err(BootError::Verify(Stage::Verify, seen)) }
}

/// M2P cannot distinguish an entry that was lost from one that was never there; comparing the counts can.
fn compare(before: &Verified, after: Verified) -> Result<(), BootError> {
    if after.equals(before) { Ok(()) } else { Err(BootError::Verify(Stage::Verify, after)) }
}

fn clean<X: Hypervisor>(
    retired: Retired,
    layout: &Layout,
    setup: &Setup<'_>,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<ModuleSpace, BootError> {
    if setup.options.cleanup == Cleanup::Off {
        report::not_cleaned();
        return Ok(ModuleSpace::unproved());
    }
    let fate = retired.fate;
    let (space, cleaned) = retired.clean(setup.facts.image, memory, xen).stage(Stage::Cleanup)?;
    report::cleaned(&cleaned, memory.frames);
    if fate == Fate::Unmapped {
        prove_unmapped(layout, xen)?;
    }
    report::high_mapping(memory.tables, xen).stage(Stage::Cleanup)?;
    Ok(space)
}

/// Checked by the processor itself: reads at both ends of the old list must fault.
fn prove_unmapped<X: Hypervisor>(layout: &Layout, xen: &mut X) -> Result<(), BootError> {
    let list = layout.mfn_list;
    for at in [list.start, VirtAddr::new_truncate(list.end_raw() - 8)] {
        match xen.probe(at) {
            Ok(_) => return Err(BootError::StillMapped(at.as_u64())),
            Err(_) => report::faulted(at),
        }
    }
    Ok(())
}

/// Stages 8 and 9, and whatever else the command line requests.
fn use_modules<X: Hypervisor + Gauge>(
    vmalloc: &mut Vmalloc,
    layout: &Layout,
    setup: &Setup<'_>,
    memory: &mut Memory<'_>,
    meter: &mut Meter,
    xen: &mut X,
) -> Result<(), BootError> {
    trial::run(vmalloc, memory, xen)?;
    meter.lap(Stage::Vmalloc, memory.tables, memory.frames, xen);
    driver::run(layout, setup, vmalloc, memory, xen)?;
    meter.lap(Stage::Module, memory.tables, memory.frames, xen);
    if setup.options.selftest == Some(Selftest::Conformance) {
        for group in conformance::all() {
            conformance::run(group, memory, xen, report::conformance).stage(Stage::Conformance)?;
        }
    }
    meter.total(xen);
    match setup.options.limits {
        Limits::On => limits::measure(memory, xen, report::limit).stage(Stage::Limits),
        Limits::Off => Ok(()),
    }
}
