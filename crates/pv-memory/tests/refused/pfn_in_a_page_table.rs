//! A page-table entry holds a machine frame, not the guest's number of the page.

use xen::addr::Pfn;
use xen::pte::{Access, Pte};

fn entry(pfn: Pfn) -> Pte {
    Pte::leaf(pfn, Access::Data)
}

fn main() {}
