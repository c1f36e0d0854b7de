//! Memory bring-up, stages 2 to 8: from the builder's layout to an empty module area.
//!
//! ```text
//!  layout -> walk -> direct_map (+ image) -> p2m (build, revector) -> cleanup -> vmalloc
//!                          \______________ tables, commit, window, frames ____________/
//! ```
//!
//! Each stage takes the product of the one before by value. The lower row is the common machinery: page tables as data,
//! writes in batches, pages reached through windows, frames owned by runs.

#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

/// Unit tests boot on the model too, with a heap as large as an image's.
#[cfg(test)]
#[global_allocator]
static HEAP: xen_model::GuestHeap = xen_model::GuestHeap;

pub mod balloon;
mod builder_list;
pub mod cleanup;
pub mod commit;
mod counts;
pub mod direct_map;
pub mod dump;
pub mod error;
pub mod frames;
pub mod growth;
pub mod image;
mod l1_entries;
pub mod layout;
pub mod limits;
mod listed;
pub mod memory;
pub mod p2m;
mod ranges;
pub mod resources;
mod seal;
pub mod tables;
pub mod vmalloc;
pub mod walk;
mod walk_error;
pub mod window;
