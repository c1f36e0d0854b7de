//! What M2P says of a frame is a claim; it is no page before the P2M agrees.

use xen::addr::{Mfn, Pfn};
use xen::Hypervisor;

fn page(xen: &impl Hypervisor, mfn: Mfn) -> Option<Pfn> {
    xen.m2p(mfn)
}

fn main() {}
