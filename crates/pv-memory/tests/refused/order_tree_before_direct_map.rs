//! Stage 5 without stage 4: the tree is reached through the direct map.

use pv_memory::error::MmError;
use pv_memory::frames::Frames;
use pv_memory::layout::Layout;
use pv_memory::p2m::{Initial, P2m, Strategy};
use pv_memory::walk::BootTables;
use xen::Hypervisor;

fn build(
    layout: &Layout,
    tables: &BootTables,
    frames: &mut Frames,
    xen: &mut impl Hypervisor,
) -> Result<P2m<Initial>, MmError> {
    P2m::build(layout, Strategy::Copy, tables, frames, xen)
}

fn main() {}
