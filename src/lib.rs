//! `revector`: takes a Xen PV guest from its entry point to a loaded module, checking everything on the way.
//!
//! The domain builder of a PV guest puts the P2M, the array pfn -> mfn, right behind the ramdisk in the high kernel
//! mapping. In a large guest it runs into the module area, and no module can be loaded. This library moves it away.
//!
//! # Principles
//!
//! - **One direction.** Each stage takes the product of the one before by value and returns its own; a wrong order
//!   does not compile. [`boot::boot`] is the table of contents.
//! - **One seam.** The outside is [`xen::Hypervisor`], on one page. The image implements it with hypercalls; on the
//!   host, a model of Xen does (feature `model`), and the whole boot is an ordinary program.
//! - **Plan, then commit.** Page-table writes and relocations are data until one hypercall carries them out.
//! - **An oracle that is not ours** for every claim: Xen's M2P for the P2M, the processor for what is unmapped.
//! - **Unsafe code at the seam only**: declared in `xen`, called from `mm::window`, `mm::commit` and `module::load`;
//!   besides, `heap` hands memory to the allocator.

#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(any(test, feature = "model"))]
extern crate std;

pub mod addr;
pub mod boot;
pub mod conformance;
pub mod error;
mod exercise;
#[cfg(any(test, feature = "model"))]
pub mod fake;
#[cfg(any(test, feature = "model", feature = "image"))]
pub mod heap;
mod meter;
pub mod mm;
pub mod module;
pub mod options;
pub mod printf;
mod report;
pub mod verdict;
pub mod xen;

/// Unit tests boot on the model too.
#[cfg(test)]
#[global_allocator]
static HEAP: fake::GuestHeap = fake::GuestHeap;
