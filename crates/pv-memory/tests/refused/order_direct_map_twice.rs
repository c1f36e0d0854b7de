//! Stage 4 takes the walked tables: there is no second direct map.

use pv_memory::direct_map;
use pv_memory::error::MmError;
use pv_memory::frames::Frames;
use pv_memory::layout::Layout;
use pv_memory::walk::BootTables;
use xen::Hypervisor;
use xen::start_info::Facts;

fn twice(
    tables: BootTables,
    layout: &Layout,
    facts: &Facts,
    frames: &mut Frames,
    xen: &mut impl Hypervisor,
) -> Result<(), MmError> {
    direct_map::build(tables, layout, facts, frames, xen)?;
    direct_map::build(tables, layout, facts, frames, xen)?;
    Ok(())
}

fn main() {}
