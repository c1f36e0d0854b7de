//! The number inside is private: it is left by `raw()`, which can be searched for.

use xen::addr::Mfn;

fn number(mfn: Mfn) -> u64 {
    mfn.0
}

fn main() {}
