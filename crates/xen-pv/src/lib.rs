//! Xen's PV interface for a kernel in Rust: what a domain builder hands over, and what a guest may request from Xen.
//!
//! A PV guest counts its memory in pages of its own ([`addr::Pfn`]) while its page tables hold the machine's frames
//! ([`addr::Mfn`]), and every change to a page table is a request to Xen. This crate has the numbers, the structures,
//! the trait [`Hypervisor`], through which a kernel reaches Xen, and the runtime of an image ([`rt`]): entry,
//! hypercalls, console, time, traps.
//!
//! # Features
//!
//! - `runtime` (default): the runtime of an image, and [`entry!`].
//! - `build`: `xen::build`, for a kernel's build script; needs `std`.
//!
//! Sources: xen/include/public (MIT).

#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(test, feature = "build")), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(any(test, feature = "build"))]
extern crate std;

pub mod abi;
pub mod addr;
pub mod area;
pub mod boot;
#[cfg(feature = "build")]
pub mod build;
mod claim;
mod counters;
pub mod early;
mod entry;
pub mod errno;
pub mod events;
mod field;
pub mod heap;
mod list;
mod loops;
mod mark;
pub mod mmuext;
pub mod notes;
pub mod output;
pub mod pte;
mod published;
mod resident;
pub mod ring;
mod role;
mod row;
#[cfg(feature = "runtime")]
#[expect(unsafe_code, reason = "the hardware side: assembly, raw pointers and hypercalls")]
pub mod rt;
mod seam;
pub mod start_info;
pub mod store;
pub mod time;
pub mod verdict;

pub use boot::{Boot, BuilderP2m, Outcome};
pub use claim::Claim;
pub use counters::{CallKind, Calls, Counters};
pub use errno::Errno;
pub use list::List;
pub use loops::Loop;
pub use notes::Notes;
pub use published::{ListState, PublishedList, PublishedP2m, PublishedWords};
pub use resident::{Reservation, Resident, Wake};
pub use row::Row;
pub use seam::{
    Faulted, Gauge, Hypervisor, Lookup, ModuleFunction, ModuleNames, PageTables, Pages, Platform, Stopped,
    Trapped, Words,
};
pub use verdict::{Ending, Verdict};
