//! Stage 7 takes the retired list: its pages are given back once.

use pv_memory::error::MmError;
use pv_memory::frames::Frames;
use pv_memory::p2m::Retired;
use pv_memory::tables::Tables;
use xen::Hypervisor;
use xen::addr::VirtRange;

fn twice(
    retired: Retired,
    image: VirtRange,
    tables: &Tables,
    frames: &mut Frames,
    xen: &mut impl Hypervisor,
) -> Result<(), MmError> {
    retired.clean(image, tables, frames, xen)?;
    retired.clean(image, tables, frames, xen)?;
    Ok(())
}

fn main() {}
