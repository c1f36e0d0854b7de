//! Stage 6 takes the tree: once moved, the old one is gone.

use pv_memory::error::MmError;
use pv_memory::frames::Frames;
use pv_memory::p2m::{self, Initial, Outcome, P2m};
use pv_memory::tables::Tables;
use xen::Hypervisor;

fn twice(
    tree: P2m<Initial>,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut impl Hypervisor,
) -> Result<Outcome, MmError> {
    let _first = p2m::revector(tree, tables, frames, xen)?;
    p2m::revector(tree, tables, frames, xen)
}

fn main() {}
