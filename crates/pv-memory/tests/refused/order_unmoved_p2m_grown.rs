//! A P2M that is still the builder's list has as many entries as that list: it grows after stage 6.

use pv_memory::error::MmError;
use pv_memory::p2m::{Initial, P2m};
use pv_memory::resources::Resources;
use xen::Hypervisor;

fn grow(
    p2m: &mut P2m<Initial>,
    resources: &mut Resources<'_>,
    xen: &mut impl Hypervisor,
) -> Result<(), MmError> {
    p2m.grow(1 << 20, resources, xen)
}

fn main() {}
