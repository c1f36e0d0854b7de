//! A model of Xen for the host: the whole boot runs as an ordinary program, and whatever Xen refuses is refused.
//!
//! [`Domain`] is what a person would write in a guest's configuration; [`Domain::build`] does the domain builder's
//! work and gives a [`Xen`], which implements [`xen::Hypervisor`]. Memory is sparse: what nobody has written follows
//! from a rule, the list and the tables of its own mapping too, so a guest of 15 TiB fits into a test.
//!
//! # What is faithful
//!
//! - **Frame types.** A frame is writable, or a page table of one level, or neither, with a count. It changes type
//!   at count zero only; hooking a table validates everything below it, dropping it takes that back (`types`).
//! - **Entries.** Allowed bits per level, no large pages but those that Xen made, Xen's own L4 slots, ownership of
//!   frames, bits that Xen adds on the way in (`entry`). An entry that is not present but keeps an address crashes the
//!   domain (L1TF).
//! - **`mmu_update`** stops at the first element it refuses and says how many were done (`update`).
//! - **The processor.** Addresses are translated by the modelled tables and a TLB that remembers all that it may and
//!   forgets nothing by itself, so a missing flush shows (`flushes`: there is the switch for what Xen flushes
//!   unasked); a fault of the kernel is a panic that says what would have died (`translate`).
//! - **The heap.** Guest code runs inside [`Xen::run`], with a heap as large as the image's and no larger (`guest`,
//!   `heap`).
//! - **Memory.** Frames are scattered over the machine; free RAM holds a debug Xen's scrub pattern (`memory`).
//!
//! # What is not
//!
//! One vCPU, no preemption, no events. No linear page tables, no segment descriptors, no grants, no foreign mappings
//! beyond their refusal. M2P cannot be changed by the guest. A debug Xen's trashing of hypercall registers cannot be
//! seen through the seam, which lends its arguments. Time is the host's. `call` runs no code: it answers from a list.
//!
//! Each rule names the function of Xen it mirrors; facts only. Sources: xen/arch/x86/mm.c, xen/arch/x86/pv/mm.h,
//! xen/arch/x86/pv/dom0_build.c, tools/libs/guest/xg_dom_x86.c; of GRUB grub-core/loader/i386/xen.c.

#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod builder;
mod contents;
mod daemon;
mod entry;
mod extended;
mod faults;
mod flushes;
mod guest;
mod heap;
mod hypervisor;
mod kind;
mod ledger;
mod list_pages;
mod machine;
mod mapping;
mod memory;
mod outside;
mod resident;
mod run;
mod scatter;
#[cfg(test)]
mod sparse_tests;
mod state;
mod store_rules;
mod store_tree;
mod tlb;
mod translate;
mod types;
mod update;
mod uses;
mod watch;

pub use builder::{
    BuildError, Builder, Built, Domain, Fault, Hardware, ImageShape, Notes, P2mNote, Part, Piece, Ramdisk,
    RamdiskNote, Rows,
};
pub use daemon::{Daemon, Misdeed};
pub use faults::Refusal;
pub use flushes::Stale;
pub use heap::GuestHeap;
pub use kind::Kind;
pub use ledger::Flushes;
pub use machine::Machine;
pub use mapping::{Mapping, Use};
pub use outside::Happening;
pub use run::Run;
pub use state::Xen;
pub use watch::Event;
