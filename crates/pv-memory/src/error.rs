//! What can go wrong in memory bring-up: one closed error, `Copy`, carrying addresses and no strings.
//!
//! Policy: a leaf module returns its own small error; this enum collects them for the stages that use several, and
//! the boot's own error collects this one. Text is written where the enum is, in one line: what was expected, what
//! was found, what to do.

use core::fmt;

pub use crate::builder_list::ListError;
use crate::commit::MmuError;
use crate::frames::FrameError;
use crate::p2m::index::TREE_PAGES;
use xen::addr::{Mfn, Pfn, VirtAddr, VirtRange};
use xen::pte::{Access, Level};

/// An error of memory bring-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmError {
    /// Frames ran out or were given back wrongly.
    Frames(FrameError),
    /// Xen refused a page-table write.
    Mmu(MmuError),
    /// A table entry leads somewhere that is not a table of this domain.
    StrangeTable {
        /// Address being walked.
        at: VirtAddr,
        /// Level of the entry.
        level: Level,
        /// The entry.
        entry: u64,
    },
    /// An address that must be mapped is not.
    NotMapped {
        /// The address.
        at: VirtAddr,
    },
    /// A page of the domain has no machine frame.
    NoFrame {
        /// The page.
        pfn: Pfn,
    },
    /// A P2M cannot describe so many pages.
    TooManyPages {
        /// Pages of the domain.
        pages: u64,
        /// The most that it can describe.
        most: u64,
    },
    /// A page's machine frame belongs to another page according to M2P.
    Contradicted {
        /// The page.
        pfn: Pfn,
        /// Its frame, according to the direct map.
        mfn: Mfn,
    },
    /// Something is still mapped where nothing may be.
    Leftover {
        /// Where.
        at: VirtAddr,
        /// Level of the entry.
        level: Level,
        /// The entry.
        entry: u64,
    },
    /// A page allows something else than it should.
    WrongRights {
        /// Where.
        at: VirtAddr,
        /// The entry.
        entry: u64,
        /// What it should allow.
        expected: Access,
    },
    /// The P2M list's own mapping is not what start_info says.
    List(ListError),
    /// An area to be mapped is not empty.
    Occupied {
        /// Where.
        at: VirtAddr,
        /// The entry found there.
        entry: u64,
        /// Bytes of frames allocated for the area.
        allocated: u64,
        /// Bytes of the area, guard page included.
        bytes: u64,
    },
    /// No gap of that size is left in an area of address space.
    NoRoom {
        /// The area of address space.
        within: VirtRange,
        /// Bytes wanted, guard page included.
        bytes: u64,
    },
}

impl From<ListError> for MmError {
    fn from(error: ListError) -> Self {
        Self::List(error)
    }
}

impl From<FrameError> for MmError {
    fn from(error: FrameError) -> Self {
        Self::Frames(error)
    }
}

impl From<MmuError> for MmError {
    fn from(error: MmuError) -> Self {
        Self::Mmu(error)
    }
}

impl core::error::Error for MmError {}

impl fmt::Display for MmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(error) => error.fmt(f),
            Self::Frames(error) => error.fmt(f),
            Self::Mmu(error) => error.fmt(f),
            Self::StrangeTable { at, level, entry } => {
                write!(f, "{level:?} entry for {at:#x} is {entry:#x}: expected a table of this domain")
            }
            Self::NotMapped { at } => write!(f, "{at:#x} is not mapped: expected a page of the domain there"),
            Self::NoFrame { pfn } => write!(f, "{pfn} has no machine frame in the P2M: expected one"),
            Self::TooManyPages { pages, most } => write!(
                f,
                "{pages:#x} pages ({} GiB): expected {most:#x} ({} GiB) or fewer{}",
                pages >> 18,
                most >> 18,
                if *most == TREE_PAGES { ", where a P2M tree ends; use p2m=linear" } else { "" }
            ),
            Self::Contradicted { pfn, mfn } => {
                write!(f, "machine frame {mfn} of {pfn} is not that page's by M2P: expected M2P to agree")
            }
            Self::Leftover { at, level, entry } => {
                write!(
                    f,
                    "{level:?} entry for {at:#x} is {entry:#x}: expected zero, nothing may be left there"
                )
            }
            Self::WrongRights { at, entry, expected } => {
                write!(f, "L1 entry for {at:#x} is {entry:#x}: expected one for {expected:?}")
            }
            // The warning's trace has said where and what; this line has the wording of Linux.
            Self::Occupied { allocated, bytes, .. } => {
                write!(f, "allocation failure, allocated {allocated} of {bytes} bytes")
            }
            Self::NoRoom { within, bytes } => {
                write!(f, "no gap of {bytes} bytes left in {within}: unload something or ask for less")
            }
        }
    }
}
