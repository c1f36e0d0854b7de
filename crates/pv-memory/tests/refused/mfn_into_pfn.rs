//! No conversion leads from a machine frame to a page: only M2P knows, and the P2M must agree.

use xen::addr::{Mfn, Pfn};

fn page(mfn: Mfn) -> Pfn {
    mfn.into()
}

fn main() {}
