//! No access allows writing and executing.

use xen::pte::Access;

fn access() -> Access {
    Access::WritableCode
}

fn main() {}
