//! An entry's bits are in one file; nobody else sets one.

use xen::pte::Pte;

fn writable(entry: Pte) -> Pte {
    Pte(entry.word() | 2)
}

fn main() {}
