//! The language of conformance programs: operations on a few scratch pages, and what an entry can hold.
//!
//! Pages are numbered, because machine frames differ from run to run, and results must not. Neighbours: `programs`
//! is written in it, `lab` executes it.

use xen::pte::Level;

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
    /// Another domain's page, with these bits.
    Foreign(u64),
    /// A word as it is.
    Raw(u64),
}

/// Zero.
pub(super) const NONE: Entry = Entry::Raw(0);

/// A frame, scratch or not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    /// A scratch page's frame.
    Own(Page),
    /// Another domain's frame, whose M2P entry has the number of one of this domain's pages.
    Foreign,
    /// The frame with this number.
    Number(u64),
}

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
    /// Makes a page's mapping read-only.
    Protect(Page),
    /// Makes it writable again.
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
    /// Writes zero into a frame, as if it were a table.
    WriteIn(Frame),
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
    /// Another extended operation on a frame.
    ExtOn(u32, Frame),
    /// Asks M2P for the page of a frame, and the P2M whether that page has this frame.
    Whose(Frame),
    /// Reads a word.
    Read(At),
    /// Reads a word, and reports it.
    Word(At),
    /// Reads back the rights in an entry of a page.
    Show(Page, usize),
}

impl Op {
    /// Tells whether it needs another domain's page.
    pub(super) const fn is_about_others(self) -> bool {
        matches!(
            self,
            Self::Map(_, Entry::Foreign(_))
                | Self::Store(_, _, Entry::Foreign(_))
                | Self::WriteIn(Frame::Foreign)
                | Self::ExtOn(_, Frame::Foreign)
                | Self::Whose(Frame::Foreign)
        )
    }
}

/// A named sequence.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name, unique.
    pub name: &'static str,
    pub(super) ops: &'static [Op],
}

/// Names a sequence.
pub(super) const fn program(name: &'static str, ops: &'static [Op]) -> Program {
    Program { name, ops }
}
