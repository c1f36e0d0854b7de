//! Stages run one by one, with their products in hand: what `boot` hides from outside.

use revector::addr::{Pfn, PfnRange, pages_for};
use revector::fake::{Built, Domain};
use revector::mm::cleanup::ModuleSpace;
use revector::mm::direct_map;
use revector::mm::error::MmError;
use revector::mm::frames::{Frames, Zone};
use revector::mm::layout::Layout;
use revector::mm::p2m::{self, Initial, Moved, Outcome, P2m, Retired};
use revector::mm::tables::Tables;
use revector::mm::vmalloc::Memory;
use revector::mm::walk::BootTables;
use revector::options::Strategy;
use revector::xen::start_info::{BootInfo, RamdiskPlace};

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
    pub(crate) frames: Frames,
}

/// Runs stages 1 to 5.
pub(crate) fn plant(domain: &Domain) -> Planted {
    let mut built = domain.build().unwrap();
    let info = BootInfo::parse(&built.start_info, built.facts, &built.xen).unwrap();
    let layout = Layout::plan(&info).unwrap();
    let walked = BootTables::walk(&layout, &built.facts, &mut built.xen, |_| ()).unwrap();
    let mut frames = Frames::new(layout.free(), walked.end);
    if let Some(ramdisk) = layout.ramdisk
        && let RamdiskPlace::Unmapped(first) = ramdisk.place
    {
        frames.reserve(PfnRange::new(first, pages_for(ramdisk.bytes)));
    }
    let tables = direct_map::graft(walked, &layout, &built.facts, &mut frames, &mut built.xen).unwrap();
    let p2m = P2m::build(&layout, &tables, &mut frames, &mut built.xen).unwrap();
    Planted { built, layout, tables, frames, p2m }
}

impl Planted {
    /// Runs stage 6; on an error, gives back what is left of the domain.
    pub(crate) fn revector(self, strategy: Strategy) -> Result<World, Box<Failed>> {
        let Self { mut built, layout, mut tables, mut frames, p2m } = self;
        let outcome = p2m::revector(p2m, strategy, &layout, &mut tables, &mut frames, &mut built.xen);
        match outcome {
            Ok(Outcome::Moved(p2m, retired)) => {
                Ok(World { built, layout, tables, frames, p2m, retired: Some(retired) })
            }
            Ok(Outcome::Kept(_)) => panic!("p2m=keep has no product"),
            Err(error) => Err(Box::new(Failed { error, built, frames })),
        }
    }
}

/// Runs stages 1 to 6.
pub(crate) fn moved(domain: &Domain, strategy: Strategy) -> World {
    plant(domain).revector(strategy).unwrap_or_else(|failed| panic!("{}", failed.error))
}

impl World {
    /// Runs stage 7; returns the module space and the pages given back.
    pub(crate) fn clean(&mut self) -> (ModuleSpace, u64) {
        let retired = self.retired.take().unwrap();
        let image = self.built.facts.image;
        let (space, cleaned) =
            retired.clean(image, &self.tables, &mut self.frames, &mut self.built.xen).unwrap();
        (space, cleaned.freed)
    }

    /// Lends what vmalloc needs, and Xen.
    pub(crate) fn memory(&mut self) -> (Memory<'_, Moved>, &mut revector::fake::Xen) {
        let memory = Memory { tables: &mut self.tables, p2m: &self.p2m, frames: &mut self.frames };
        (memory, &mut self.built.xen)
    }

    /// Takes every free page out of the allocator.
    pub(crate) fn drain(&mut self) -> Vec<Pfn> {
        drain(&mut self.frames)
    }
}

/// Takes every free page out of an allocator.
pub(crate) fn drain(frames: &mut Frames) -> Vec<Pfn> {
    let mut pages = Vec::new();
    while let Ok(run) = frames.take_up_to(Zone::Far, u64::MAX) {
        pages.extend(run.pages().iter());
    }
    pages
}
