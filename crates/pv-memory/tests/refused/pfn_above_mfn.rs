//! Distances are between pages; a frame is nowhere among them.

use xen::addr::{Mfn, Pfn};

fn distance(pfn: Pfn, mfn: Mfn) -> u64 {
    pfn.above(mfn)
}

fn main() {}
