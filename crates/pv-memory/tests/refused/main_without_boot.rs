//! The kernel's main takes what the builder handed over.
#![no_std]
#![no_main]

use xen::{Notes, Verdict, entry};

entry!(main, Notes::new("no boot"));

fn main() -> Verdict {
    Verdict::Success
}
