//! The number inside is private: a page is made by `Pfn::new`, which can be searched for.

use xen::addr::Pfn;

fn page() -> Pfn {
    Pfn(0x1000)
}

fn main() {}
