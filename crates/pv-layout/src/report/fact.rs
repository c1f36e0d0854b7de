//! What a line of a log can say: the vocabulary between the dialects' readers and `account`.
//!
//! A dialect's reader turns a hit (a known word and the text around it) into facts and knows nothing of what came
//! before; an account gathers the facts of one boot as one side tells it.

use super::told::{Counted, Mark, Row};
use crate::{scene::MapRange, verdict::Outcome};

/// Who tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Teller {
    /// `xl -vvv create`: the toolstack's domain builder.
    Toolstack,
    /// Xen itself, building the initial domain (or a shim its only guest).
    Xen,
    /// This project's guest.
    Revector,
    /// A Linux PV guest.
    Linux,
}

impl Teller {
    /// Whether it builds guests; otherwise it is one.
    pub(super) fn builds(self) -> bool {
        matches!(self, Self::Toolstack | Self::Xen)
    }
}

/// One thing that a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// A boot, or the building of a guest, begins.
    Begin,
    /// A builder begins to tell rows; what it said before is about the same guest.
    BeginRows,
    Row(String, Row),
    /// Xen's row of bytes, without a pfn; nothing if it says that there is none.
    Range(&'static str, u64, u64),
    /// Bytes of a ramdisk that the builder keeps, mapped or not.
    RamdiskBytes(u64),
    Mark(Mark, u64),
    /// Where pfn 0 would be.
    Base(u64),
    Tables(Counted),
    /// Pages of the guest.
    Pages(u64),
    /// Pages of the guest, without those in holes or taken early.
    PagesAbout(u64),
    Version(String),
    /// The kernel carries the note, with the address of the list.
    InitP2m(u64),
    /// The kernel carries the note: its ramdisk need not be mapped.
    ModStartPfn,
    /// The kernel's notes are being listed, so a note that is not there is missing.
    NotesListed,
    /// A memory map begins anew.
    MapBegins,
    Map(MapRange),
    Module(ModuleStart),
    Moved(Moved),
    Record(String),
    Event(Event),
    Verdict(Outcome),
}

/// Where modules begin, as a kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ModuleStart(pub(super) u64);

/// What a guest did with the builder's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    Kept,
    Aliased,
    Copied,
}

/// Something that went wrong, or that explains why something could.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// Linux stops: a part of it lies on something that is no memory.
    Conflict(String),
    /// Linux stops: it found no place to move a part to.
    NoPlace(String),
    /// Something is already mapped where a module should go; the text says where this was noticed.
    AlreadyMapped(String),
    AllocationFailure {
        allocated: u64,
        wanted: u64,
    },
    /// The guest died on an exception or a panic.
    Died(String),
    /// Xen says that the domain of this number crashed.
    Crashed(u32),
    /// The builder gave up.
    Refused(String),
    /// Xen gave the initial domain less memory than asked for, to this number of pages.
    Clipped(u64),
    /// Linux gave back or moved pages that were not on memory of the map.
    Relocated(String),
}

/// What a line holds for its dialect: facts, or a known word without what should follow it.
pub(super) type Facts = Result<Vec<Fact>, Missing>;

/// What a line should have had behind its known word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing(pub(super) &'static str);

/// A single fact, if it is there.
pub(super) fn one(fact: Option<Fact>, missing: &'static str) -> Facts {
    fact.map(|fact| vec![fact]).ok_or(Missing(missing))
}

/// No fact, and no harm.
pub(super) fn nothing() -> Facts {
    Ok(Vec::new())
}
