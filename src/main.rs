//! The image: `revector` on the real Xen. Everything that is not hardware is in the library.

#![no_std]
#![no_main]

extern crate alloc;

mod hw;
