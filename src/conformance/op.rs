//! The language of conformance programs: operations on a few scratch pages, and what an entry can hold.
//!
//! Pages are numbered, because machine frames differ from run to run; results must not. Neighbours: `programs`
//! writes in it, `lab` carries it out.

use crate::mm::pte::Level;

/// Number of a scratch page.
pub(super) type Page = u64;

/// Bits of an entry, by their architectural names.
pub(super) mod bits {
    /// Present.
    pub(in super::super) const P: u64 = 1;
    /// Writable.
    pub(in super::super) const RW: u64 = 1 << 1;
    /// User.
    pub(in super::super) const US: u64 = 1 << 2;
    /// Write-through.
    pub(in super::super) const PWT: u64 = 1 << 3;
    /// Cache disable.
    pub(in super::super) const PCD: u64 = 1 << 4;
    /// Accessed.
    pub(in super::super) const A: u64 = 1 << 5;
    /// Dirty.
    pub(in super::super) const D: u64 = 1 << 6;
    /// Page size; PAT at level 1.
    pub(in super::super) const PSE: u64 = 1 << 7;
    /// Global.
    pub(in super::super) const G: u64 = 1 << 8;
    /// Lowest bit left to software.
    pub(in super::super) const AVL: u64 = 1 << 9;
    /// A high bit left to software.
    pub(in super::super) const AVL_HIGH: u64 = 1 << 53;
    /// No execution.
    pub(in super::super) const NX: u64 = 1 << 63;
}

/// What to write into an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// A scratch page, with these bits.
    Of(Page, u64),
    /// A word as it is.
    Raw(u64),
}

/// Zero.
pub(super) const NONE: Entry = Entry::Raw(0);

/// Linear address of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// A scratch address that has an L1 table.
    Scratch(u64),
    /// The scratch page in the direct map.
    Alias(Page),
    /// Any address.
    Linear(u64),
}

/// One operation; each gives one result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Takes the writable mapping of a page away.
    Protect(Page),
    /// Gives it back.
    Unprotect(Page),
    /// Stores an entry into a page by a plain store; the page must not be protected.
    Store(Page, usize, Entry),
    /// Writes an entry by `mmu_update`.
    Write(Page, usize, Entry),
    /// Writes several entries of a page by one `mmu_update`.
    Batch(Page, &'static [(usize, Entry)]),
    /// Writes by `mmu_update` with this command in the low bits of the address.
    Command(Page, u64, Entry),
    /// Writes to a machine address that is not a scratch page's.
    Elsewhere(u64),
    /// Writes an entry of the L4 table in use.
    Root(usize, Entry),
    /// Maps by `update_va_mapping`.
    Map(At, Entry),
    /// Pins a page as a table.
    Pin(Level, Page),
    /// Unpins it.
    Unpin(Page),
    /// Another extended operation on a page's frame.
    Ext(u32, Page),
    /// Another extended operation with this argument.
    ExtRaw(u32, u64),
    /// Reads a word.
    Read(At),
    /// Reads back what an entry of a page allows.
    Show(Page, usize),
}

/// A named sequence.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name, unique.
    pub name: &'static str,
    pub(super) ops: &'static [Op],
}
