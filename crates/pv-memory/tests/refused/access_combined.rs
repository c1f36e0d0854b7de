//! Two accesses cannot be combined to one that allows writing and executing.

use xen::pte::Access;

fn access() -> Access {
    Access::Code | Access::Data
}

fn main() {}
