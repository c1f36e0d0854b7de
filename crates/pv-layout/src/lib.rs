//! Where Xen's domain builders place each part of a PV guest's memory: predicted, read from logs, explained, drawn.
//!
//! ```text
//! image (notes, unpack)  -> predict (domain, tables) -> scene -> draw          a layout without a boot
//!                           check (limits, loaders, machine), need             for which sizes there is room
//! logs -> report (dialects -> records -> rules)       -> scene, findings       how a boot went
//!         rows                                                                 layouts, compared row by row
//! ```
//!
//! Whatever is read comes through `input`, whatever is printed goes through `say`; numbers on a command line are
//! `sizes`, `address` and `ramdisk`. The commands are in `tools` and `lab`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod check;
pub mod draw;
pub mod finding;
pub mod image;
pub mod input;
pub mod need;
pub mod no_code;
pub mod predict;
pub mod ramdisk;
pub mod report;
pub mod rows;
pub mod say;
pub mod scene;
pub mod sizes;
pub mod verdict;
