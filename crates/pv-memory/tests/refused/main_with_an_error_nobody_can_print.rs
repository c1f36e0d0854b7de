//! An error of main's is printed, so it must be one that can be.
#![no_std]
#![no_main]

use xen::{Boot, Hypervisor, Notes, entry};

entry!(main, Notes::new("mute"));

struct Mute;

fn main(_boot: Boot<'_, impl Hypervisor>) -> Result<(), Mute> {
    Err(Mute)
}
