//! Stage 7 takes the retired list: its pages are given back once.

use pv_memory::error::MmError;
use pv_memory::memory::Memory;
use pv_memory::p2m::Retired;
use xen::Hypervisor;
use xen::addr::VirtRange;

fn twice(
    retired: Retired,
    image: VirtRange,
    memory: &mut Memory<'_>,
    xen: &mut impl Hypervisor,
) -> Result<(), MmError> {
    retired.clean(image, memory, xen)?;
    retired.clean(image, memory, xen)?;
    Ok(())
}

fn main() {}
