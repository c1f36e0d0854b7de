//! The kernel's main says how the boot ended.
#![no_std]
#![no_main]

use xen::{Boot, Hypervisor, Notes, entry};

entry!(main, Notes::new("no verdict"));

fn main(_boot: Boot<'_, impl Hypervisor>) {}
