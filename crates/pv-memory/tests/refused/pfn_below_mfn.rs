//! Nor is there an order between the two counts.

use xen::addr::{Mfn, Pfn};

fn below(pfn: Pfn, mfn: Mfn) -> bool {
    pfn < mfn
}

fn main() {}
