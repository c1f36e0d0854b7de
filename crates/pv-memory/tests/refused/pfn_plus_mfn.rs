//! A sum of a page and a frame is neither.

use xen::addr::{Mfn, Pfn};

fn sum(pfn: Pfn, mfn: Mfn) -> Pfn {
    pfn + mfn
}

fn main() {}
