//! What a line of a log can say: the vocabulary between the dialects' readers and `record`.
//!
//! A dialect's reader turns a hit (a known word and the text around it) into facts and knows nothing of what came
//! before; a record gathers the facts of one boot from one side.

use super::{
    crash_facts::Seen,
    layout_line::{Counted, Mark, Row},
};
use crate::{
    predict::domain::Builder,
    scene::{MapRange, Run},
    verdict::Outcome,
};
use std::ops::Range;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Writer {
    /// `xl -vvv create`: the toolstack's domain builder.
    Toolstack,
    /// Xen itself, building the initial domain (or a shim its only guest).
    Xen,
    /// GRUB, which loads a PV guest's kernel from inside, or Xen and its initial domain's kernel.
    Grub,
    /// Xen, about a domain that crashed.
    Crash,
    /// This project's guest.
    Revector,
    /// A Linux PV guest.
    Linux,
    /// Mini-OS: PV-GRUB, stub domains, xenstore's domain.
    MiniOs,
}

/// The part that a writer has in a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Builder,
    Inside,
    Crash,
}

impl Writer {
    pub(super) fn side(self) -> Side {
        match self {
            Self::Toolstack | Self::Xen | Self::Grub => Side::Builder,
            Self::Revector | Self::Linux | Self::MiniOs => Side::Inside,
            Self::Crash => Side::Crash,
        }
    }

    /// Whether it builds guests.
    pub(super) fn builds(self) -> bool {
        self.side() == Side::Builder
    }
}

/// One thing that a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// A boot, or the building of a guest, begins.
    Begin,
    /// A builder begins to list rows; what it said before is about the same guest.
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
    /// Who built the guest, by what it found in its own domain.
    BuiltBy(Builder),
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
    /// Pages that the guest found mapped after it had moved its list.
    Mapped(Run),
    /// The domain that a builder's line is about.
    Domain(u32),
    /// Which program the toolstack is part of, if it is not `xl`.
    Tool(&'static str),
    Width(Width),
    /// Where the kernel will be in the guest's memory, in bytes.
    Physical(Range<u64>),
    /// A range of EFI's map, which counts if there is no other.
    EfiMap(MapRange),
    EfiMapBegins,
    /// Mini-OS: where its page tables begin, how many there are, and where its P2M begins.
    TablesAt(u64),
    TablePages(u64),
    ListAt(u64),
    /// Bytes of memory that the kernel's command line allows (`mem=`).
    MemoryLimit(u64),
    /// A part of Xen's report of a crash.
    Crash(Seen),
    Record(String),
    Event(Event),
    Verdict(Outcome),
}

/// Bits of a kernel's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Bits32,
    Bits64,
}

/// Where modules begin, as a kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ModuleStart(pub(super) u64);

/// What a guest did with the builder's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    Kept,
    Aliased,
    /// The same frames, as a list in address space.
    Listed,
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
    /// The function in which it died.
    DiedIn(String),
    /// A watchdog found the guest stuck.
    Stuck(String),
    /// Linux could not map a page where it wanted it.
    NotMapped {
        mfn: u64,
        pfn: u64,
    },
    /// A line in which a builder says why it gives up, or that it does.
    Refused(String),
    /// Xen itself died, with this message.
    Panicked(String),
    /// What Xen printed last before it died.
    BeforePanic(String),
    /// Xen gave the initial domain less memory than asked for, to this number of pages.
    Clipped(u64),
    /// Linux gave back or moved pages that were not on memory of the map.
    Relocated(String),
}

/// What a line holds for its dialect: facts, or a known word without what should follow it.
pub(super) type Facts = Result<Vec<Fact>, Missing>;

/// What a line should have had after its known word.
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
