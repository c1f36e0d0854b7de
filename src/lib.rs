//! `revector`: takes a Xen PV guest from its entry point to a loaded module, checking everything on the way.
//!
//! The domain builder of a PV guest puts the P2M, the array pfn -> mfn, right after the ramdisk in the high kernel
//! mapping. In a large guest it runs into the module area, and no module can be loaded. This library moves it away.
//!
//! # Principles
//!
//! - **One direction.** Each stage takes the product of the one before by value and returns its own; a wrong order
//!   does not compile. [`boot::boot`] is the table of contents.
//! - **One seam.** The outside is [`xen::Hypervisor`], in one file. The runtime of an image implements it with
//!   hypercalls; on the host `xen-model` does, and the whole boot is an ordinary program.
//! - **Plan, then commit.** Page-table writes and relocations are data until one hypercall carries them out.
//! - **A foreign oracle** for every claim: Xen's M2P for the P2M, the processor for what is unmapped.
//! - **Unsafe code at the seam only**: declared in `xen`, called from `pv_memory`'s `window` and `commit`, from
//!   `module::call`, and from `conformance::lab`, which breaks Xen's rules on purpose.

#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod balance;
pub mod boot;
pub mod conformance;
pub mod error;
mod meter;
pub mod module;
mod monitor;
pub mod options;
mod outside;
pub mod printf;
mod report;
mod setup;
pub mod stage;
mod trial;
