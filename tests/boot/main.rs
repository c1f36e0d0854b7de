//! Boots on the model of Xen, whole or stage by stage, checked from outside the domain.
//!
//! One program for the room: `support` is compiled once, and the tests run side by side. None needs a process of its
//! own: the guest's heap (`xen_model::GuestHeap`) belongs to the domain that a thread runs.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod allegations;
mod balloon;
mod early;
mod flushes;
mod foreign_frames;
mod generated;
mod heap;
mod large;
mod linear;
mod linear_refused;
mod linux_bugs;
mod list_tables;
mod monitor;
mod outside;
mod p2m;
mod pipeline;
mod planted;
mod refused;
mod rollback;
#[path = "../support/mod.rs"]
mod support;
mod tables;
mod vmalloc;
mod w_xor_x;
mod whole_tables;
mod windows;
