//! What the guest has when its boot is over, and keeps for as long as it stays.

use alloc::vec::Vec;

use crate::meter::Lap;
use crate::module::list::Modules;
use crate::module::source::RamdiskPages;
use crate::setup::Setup;
use pv_memory::balloon::{Balloon, MemoryMut};
use pv_memory::frames::{Frames, Run};
use pv_memory::layout::Layout;
use pv_memory::memory::Memory;
use pv_memory::p2m::{Physmap, Slot};
use pv_memory::resources::Resources;
use pv_memory::tables::Tables;
use pv_memory::vmalloc::Vmalloc;
use xen::abi::Shutdown;
use xen::start_info::BootInfo;

/// What the boot found, and how it was asked to boot.
#[derive(Debug)]
pub(crate) struct Boot<'b> {
    pub(crate) info: &'b BootInfo,
    pub(crate) layout: &'b Layout,
    pub(crate) setup: &'b Setup<'b>,
    /// What each stage took.
    pub(crate) laps: Vec<Lap>,
}

/// The guest after its boot.
#[derive(Debug)]
pub(crate) struct Guest<'h> {
    pub(super) boot: Boot<'h>,
    pub(super) p2m: &'h mut Physmap,
    pub(super) tables: &'h mut Tables,
    pub(super) frames: &'h mut Frames,
    pub(super) vmalloc: &'h mut Vmalloc,
    pub(super) modules: Modules<'h>,
    pub(super) ramdisk: Option<RamdiskPages>,
    pub(super) balloon: Balloon,
    /// Pages of experiments, whose entries are missing, with what they were.
    pub(super) holes: Vec<(Run, Slot)>,
    /// How the domain ends, when somebody has asked for it.
    pub(super) ending: Option<Shutdown>,
}

impl<'h> Guest<'h> {
    pub(crate) const fn new(
        boot: Boot<'h>,
        p2m: &'h mut Physmap,
        resources: Resources<'h>,
        vmalloc: &'h mut Vmalloc,
    ) -> Self {
        let Resources { tables, frames } = resources;
        Self {
            modules: Modules::new(boot.setup.exports),
            boot,
            p2m,
            tables,
            frames,
            vmalloc,
            ramdisk: None,
            balloon: Balloon::new(),
            holes: Vec::new(),
            ending: None,
        }
    }

    /// Lends the memory, and the areas in it.
    pub(super) const fn memory(&mut self) -> (Memory<'_>, &mut Vmalloc) {
        (Memory { tables: self.tables, p2m: self.p2m, frames: self.frames }, self.vmalloc)
    }

    /// Lends the P2M for changes, and the balloon.
    pub(super) const fn memory_mut(&mut self) -> (MemoryMut<'_>, &mut Balloon) {
        let resources = Resources { tables: self.tables, frames: self.frames };
        (MemoryMut { p2m: self.p2m, resources }, &mut self.balloon)
    }
}
