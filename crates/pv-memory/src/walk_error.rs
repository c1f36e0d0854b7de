//! What can be wrong with the page tables that the builder made.
//!
//! Each names the address or page, what was expected there, and what was found. Neighbours: `walk` finds them.

use core::fmt;

use crate::error::MmError;
use crate::layout::Name;
use xen::addr::{Mfn, Pfn, PfnRange, VirtAddr};

/// What the walk may find wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkError {
    /// A table lies outside the page-table row.
    TableOutside {
        /// The table.
        pfn: Pfn,
        /// The row.
        row: PfnRange,
    },
    /// The page tables, or one entry, cannot be read.
    Unreadable(MmError),
    /// An address maps a different page than the one that belongs there.
    WrongPage {
        /// The address.
        at: VirtAddr,
        /// The page expected there.
        expected: Pfn,
        /// The page found there, if P2M and M2P agree that it belongs to the domain.
        found: Option<Pfn>,
        /// What start_info has there.
        of: Option<Name>,
    },
    /// A page is mapped, but the P2M has another frame for it, or none.
    NotListed {
        /// The page.
        pfn: Pfn,
        /// Its frame, according to page table and M2P.
        mfn: Mfn,
        /// Its entry in the P2M.
        listed: u64,
    },
    /// A page that is not mapped anywhere has a frame that is not its own, or none.
    NotBacked {
        /// The page.
        pfn: Pfn,
        /// Its entry in the P2M.
        listed: u64,
        /// What start_info has there.
        of: Name,
    },
    /// A page between the start of the mapping and its end is not mapped.
    Hole {
        /// The first missing address.
        at: VirtAddr,
    },
    /// A page is writable but must not be, or the reverse: tables must not be writable, everything else must.
    WrongRight {
        /// The address.
        at: VirtAddr,
        /// Entry found.
        entry: u64,
    },
    /// The number of tables found is not the one in start_info.
    Count {
        /// start_info.nr_pt_frames.
        expected: u64,
        /// Tables walked.
        found: u64,
    },
    /// The mapping ends before the boot stack does.
    Short {
        /// Page after the last one mapped.
        end: Pfn,
        /// Page after the boot stack.
        expected: Pfn,
    },
}

impl core::error::Error for WalkError {}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableOutside { pfn, row } => {
                write!(f, "a page table is {pfn}: expected one of {row} (start_info.pt_base, nr_pt_frames)")
            }
            Self::Unreadable(error) => error.fmt(f),
            Self::WrongPage { at, expected, found, of } => {
                write!(f, "{at:#x} maps ")?;
                match found {
                    Some(found) => write!(f, "{found}")?,
                    None => f.write_str("a frame that is no page's by M2P and P2M")?,
                }
                write!(f, ": expected {expected}")?;
                of.map_or(Ok(()), |name| write!(f, " of the {name}"))
            }
            Self::NotBacked { pfn, listed, of } => {
                write!(
                    f,
                    "{pfn} of the {of} has {listed:#x} in the P2M: expected a frame that M2P gives to it"
                )
            }
            Self::NotListed { pfn, mfn, listed } => {
                write!(f, "{pfn} is mapped with machine frame {mfn}, but the P2M has {listed:#x} for it")
            }
            Self::Hole { at } => write!(f, "{at:#x} is not mapped: expected no hole in the initial mapping"),
            Self::WrongRight { at, entry } => write!(
                f,
                "{at:#x} has entry {entry:#x}: expected page tables (start_info.pt_base, nr_pt_frames) read-only and \
                 everything else writable"
            ),
            Self::Count { expected, found } => {
                write!(f, "{found} page tables found: start_info.nr_pt_frames says {expected}")
            }
            Self::Short { end, expected } => {
                write!(
                    f,
                    "the initial mapping ends at {end}: expected {expected} or more, the end of the boot stack"
                )
            }
        }
    }
}
