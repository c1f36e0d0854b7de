//! Stage 9, its pure half: from the bytes of a ramdisk to the writes that make a module run.
//!
//! A module is what a compiler emits for one crate or one C file, a relocatable object: code and data with holes
//! where addresses belong. Loading one is a pipeline of values, and none of its steps touches memory:
//!
//! ```text
//! &[u8] --Archive::open--> Entry --Object::parse--> Object --Image::plan--> Image --relocate--> Vec<RelocOp>
//!          what is in it             is it sound?           what goes where?        what is written?
//! ```
//!
//! The loader then takes an area of `Image::pages` pages from the module space, copies `Image::contents`, applies the
//! `RelocOp`s, gives each of `Image::parts` its `Permission` and calls `init_offset`. So
//! whatever can be wrong with a module is found before a page is allocated, or before a byte is written.
//!
//! Why modules prove the rest of the boot: their text must be within 2 GiB of the kernel's, so they can only live in
//! the module area; where the builder's P2M is still mapped into it, there is no room for them.
//!
//! Neighbours: before it, the module space of stage 7 and the ramdisk's row of stage 2; after it, the load step.
//! Sources: System V gABI chapter 4, x86-64 psABI 4.4; the lineage is Linux's kernel/module/main.c
//! (`layout_and_allocate`, `simplify_symbols`, `apply_relocate_add`).

#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod elf;
#[expect(missing_docs, reason = "the fields of an error are named by its variant's own sentence")]
mod elf_error;
mod elf_header;
mod error;
mod export;
mod extent;
pub mod gunzip;
mod image;
mod magic;
mod modinfo;
#[expect(missing_docs, reason = "the fields of an error are named by its variant's own sentence")]
mod newc;
mod order;
mod page;
#[expect(missing_docs, reason = "the fields of an error are named by its variant's own sentence")]
mod part;
mod plan;
mod reloc;
#[expect(missing_docs, reason = "the fields of an error are named by its variant's own sentence")]
mod reloc_error;
mod reloc_kind;
mod section;
mod source;
#[expect(missing_docs, reason = "the fields of an error are named by its variant's own sentence")]
mod symbol;
mod text;

pub use elf::{Home, Object, Symbol};
pub use elf_error::{ElfError, NameFault};
pub use error::ModuleError;
pub use export::Offer;
pub use image::{Content, Image, RelocOp};
pub use magic::Format;
pub use modinfo::{ModInfo, Name};
pub use newc::{Archive, Entries, Entry, Kind, NewcError};
pub use order::{NotFound, order};
pub use part::{IMAGE_MAX, Lifetime, Part, PartKind, Permission, PlanError};
pub use reloc_error::{Entry as RelocEntry, RelocError};
pub use reloc_kind::{RelocKind, Width};
pub use section::Section;
pub use source::Source;
pub use symbol::{CLEANUP, Function, INIT, SymbolError, Unknown};
pub use text::NAME_MAX;
