//! There are no operators: `plus` says what happens at the end of the count.

use xen::addr::Pfn;

fn next(pfn: Pfn) -> Pfn {
    pfn + 1
}

fn main() {}
