//! Stage 6 takes a tree over the builder's list; one that was moved is not.

use pv_memory::error::MmError;
use pv_memory::frames::Frames;
use pv_memory::p2m::{self, Moved, Outcome, P2m};
use pv_memory::tables::Tables;
use xen::Hypervisor;

fn again(
    tree: P2m<Moved>,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut impl Hypervisor,
) -> Result<Outcome, MmError> {
    p2m::revector(tree, tables, frames, xen)
}

fn main() {}
