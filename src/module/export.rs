//! What the kernel exports to modules: a name and an address each, as in a kernel's symbol table.
//!
//! Neighbours: the image makes the table, `list` looks symbols up in it.

use xen::addr::VirtAddr;

/// A function or object of the kernel that modules may use.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// Its name.
    pub name: &'static str,
    /// Its address.
    pub address: VirtAddr,
}
