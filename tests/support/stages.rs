//! Stages run one by one, so that a test has the products that `boot` does not return.

use pv_memory::cleanup::ModuleSpace;
use pv_memory::direct_map;
use pv_memory::error::MmError;
use pv_memory::frames::{Frames, Zone};
use pv_memory::layout::Layout;
use pv_memory::memory::Memory;
use pv_memory::p2m::{self, Initial, Moved, Outcome, P2m, Retired, Slot, Strategy};
use pv_memory::resources::Resources;
use pv_memory::tables::Tables;
use pv_memory::walk::BootTables;
use xen::abi::StartInfo;
use xen::addr::{Pfn, PfnRange, pages_for};
use xen::start_info::{BootInfo, Facts, RamdiskPlace};
use xen_model::{Built, Domain, Xen};

/// A domain after stage 5.
#[derive(Debug)]
pub(crate) struct Planted {
    pub(crate) built: Built,
    pub(crate) layout: Layout,
    pub(crate) tables: Tables,
    pub(crate) frames: Frames,
    pub(crate) p2m: P2m<Initial>,
}

/// A domain after stage 6.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) built: Built,
    pub(crate) layout: Layout,
    pub(crate) tables: Tables,
    pub(crate) frames: Frames,
    pub(crate) p2m: P2m<Moved>,
    pub(crate) retired: Option<Retired>,
}

/// What is left of a domain whose stage 6 failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: MmError,
    pub(crate) built: Built,
    pub(crate) tables: Tables,
    pub(crate) frames: Frames,
}

/// Runs stages 1 to 5, for `p2m=copy`.
pub(crate) fn plant(domain: &Domain) -> Planted {
    plant_for(domain, Strategy::Copy)
}

/// Runs stages 1 to 5, for a strategy.
pub(crate) fn plant_for(domain: &Domain, strategy: Strategy) -> Planted {
    let mut built = domain.build().unwrap();
    let Built { xen, start_info, facts, .. } = &mut built;
    let (layout, tables, frames, p2m) = xen.run(|xen| stages_1_to_5(start_info, facts, strategy, xen));
    Planted { built, layout, tables, frames, p2m }
}

fn stages_1_to_5(
    start_info: &StartInfo,
    facts: &Facts,
    strategy: Strategy,
    xen: &mut Xen,
) -> (Layout, Tables, Frames, P2m<Initial>) {
    let info = BootInfo::parse(start_info, *facts, xen).unwrap();
    let layout = Layout::plan(&info).unwrap();
    let walked = BootTables::walk(&layout, facts, xen, |_| ()).unwrap();
    let mut frames = Frames::new(layout.free());
    if let Some(ramdisk) = layout.ramdisk
        && let RamdiskPlace::Unmapped(first) = ramdisk.place
    {
        frames.reserve(PfnRange::new(first, pages_for(ramdisk.bytes)));
    }
    let mut tables = direct_map::build(walked, &layout, facts, &mut frames, xen).unwrap();
    let p2m = P2m::build(&layout, strategy, &mut tables, &mut frames, xen).unwrap();
    (layout, tables, frames, p2m)
}

impl Planted {
    /// Changes the entry for a page.
    pub(crate) fn set(&mut self, pfn: Pfn, slot: Slot) -> Result<(), MmError> {
        let Self { built, tables, frames, p2m, .. } = self;
        built.xen.run(|xen| p2m.set(&mut Resources { tables, frames }, xen, pfn, slot))
    }

    /// Runs stage 6; on an error, returns what is left of the domain.
    pub(crate) fn revector(self) -> Result<World, Box<Failed>> {
        let Self { mut built, layout, mut tables, mut frames, p2m } = self;
        let outcome = built.xen.run(|xen| p2m::revector(p2m, &mut tables, &mut frames, xen));
        match outcome {
            Ok(Outcome::Moved(p2m, retired)) => {
                Ok(World { built, layout, tables, frames, p2m, retired: Some(retired) })
            }
            Ok(Outcome::Kept(_)) => panic!("p2m=keep has no product"),
            Err(error) => Err(Box::new(Failed { error, built, tables, frames })),
        }
    }
}

/// Runs stages 1 to 6.
pub(crate) fn moved(domain: &Domain, strategy: Strategy) -> World {
    plant_for(domain, strategy).revector().unwrap_or_else(|failed| panic!("{}", failed.error))
}

impl World {
    /// Runs stage 7; returns the module space and the pages given back.
    pub(crate) fn clean(&mut self) -> (ModuleSpace, u64) {
        let retired = self.retired.take().unwrap();
        let image = self.built.facts.image;
        let cleaned = self.run(|memory, xen| retired.clean(image, memory, xen));
        let (space, cleaned) = cleaned.unwrap();
        (space, cleaned.freed)
    }

    /// Runs guest code, with what vmalloc needs.
    pub(crate) fn run<R>(&mut self, guest: impl FnOnce(&mut Memory<'_>, &mut Xen) -> R) -> R {
        let Self { built, tables, frames, p2m, .. } = self;
        built.xen.run(|xen| guest(&mut Memory { tables, p2m, frames }, xen))
    }

    /// Changes the entry for a page.
    pub(crate) fn set(&mut self, pfn: Pfn, slot: Slot) -> Result<(), MmError> {
        let Self { built, tables, frames, p2m, .. } = self;
        built.xen.run(|xen| p2m.set(&mut Resources { tables, frames }, xen, pfn, slot))
    }

    /// Takes every free page out of the allocator.
    pub(crate) fn drain(&mut self) -> Vec<Pfn> {
        drain(&mut self.frames, &self.tables)
    }
}

/// Takes every free page out of an allocator.
pub(crate) fn drain(frames: &mut Frames, tables: &Tables) -> Vec<Pfn> {
    let mut pages = Vec::new();
    while let Ok(run) = frames.take_up_to(Zone::Far(tables.window()), u64::MAX) {
        pages.extend(run.pages().iter());
    }
    pages
}
