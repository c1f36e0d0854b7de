//! The image: `revector` on real Xen. Everything that needs no hardware is in the library.

#![no_std]
#![no_main]

extern crate alloc;

mod image;

use core::arch::global_asm;

global_asm!(include_str!("../xen-note.S"));
xen::entry!(image::main);
