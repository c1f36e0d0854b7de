//! Nor can anybody else carry one out.

use pv_memory::commit::Batch;
use xen::Hypervisor;

fn commit(batch: Batch, xen: &mut impl Hypervisor) {
    let _ = batch.commit(xen);
}

fn main() {}
