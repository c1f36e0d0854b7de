//! What can be wrong with a P2M list's own mapping.
//!
//! Each names the address, what was expected there, and what was found. Neighbours: `search` finds them.

use core::fmt;

use xen::addr::{Mfn, PfnRange, VirtAddr};

/// What the walk of the list's own page tables may find wrong. `row` is what start_info says about the list:
/// `nr_p2m_frames` pages from `first_p2m_pfn` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError {
    /// An address of the list is not mapped.
    Hole {
        /// The address.
        at: VirtAddr,
    },
    /// An entry leads to a frame that belongs to no page of the domain.
    Frame {
        /// The address.
        at: VirtAddr,
        /// The frame.
        mfn: Mfn,
    },
    /// An entry leads to a page outside the list, or to a page of it that another entry has already led to.
    Page {
        /// The address.
        at: VirtAddr,
        /// The pages found.
        pages: PfnRange,
        /// The pages of list and tables.
        row: PfnRange,
    },
    /// A page of the list is read-only.
    ReadOnly {
        /// The address.
        at: VirtAddr,
        /// Its entry.
        entry: u64,
    },
    /// The mapping ends before or after the list.
    End {
        /// Where the list ends.
        expected: VirtAddr,
        /// Where the mapping ends.
        found: VirtAddr,
    },
    /// List and tables are not all of the pages that start_info gives them.
    Count {
        /// Pages that are list or table.
        found: u64,
        /// The pages of list and tables.
        row: PfnRange,
    },
}

impl core::error::Error for ListError {}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ROW: &str = "(start_info.first_p2m_pfn, nr_p2m_frames)";
        match self {
            Self::Hole { at } => write!(f, "{at:#x} is not mapped: expected no hole in the P2M list"),
            Self::Frame { at, mfn } => write!(
                f,
                "{at:#x} of the P2M list leads to {mfn}: expected a page of the list or a table, by M2P and P2M"
            ),
            Self::Page { at, pages, row } => write!(
                f,
                "{at:#x} of the P2M list leads to {pages}: expected one of {row} {ROW} that has no other use"
            ),
            Self::ReadOnly { at, entry } => {
                write!(f, "{at:#x} of the P2M list has entry {entry:#x}: expected it to be writable")
            }
            Self::End { expected, found } => {
                write!(
                    f,
                    "the mapping of the P2M list ends at {found:#x}: expected {expected:#x}, as nr_pages says"
                )
            }
            Self::Count { found, row } => {
                write!(f, "P2M list and tables take {found:#x} pages: expected all of {row} {ROW}")
            }
        }
    }
}
