//! Why a builder gives up on a domain.

use crate::sizes::Size;
use std::fmt;

/// Why a builder gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It needs more pages than the domain has.
    NoMemory { needed: u64, found: u64 },
    /// The initial mapping does not fit below the end of the address space.
    NoAddresses,
    /// The image's addresses do not follow its base, page by page.
    BadImage { base: u64, start: u64, end: u64 },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory { needed, found } => write!(
                f,
                "the builder needs {needed:#x} pages ({}), the domain has {found:#x} ({}): give it more memory or a \
                 smaller ramdisk",
                Size::of_pages(*needed),
                Size::of_pages(*found)
            ),
            Self::NoAddresses => f.write_str(
                "image, ramdisk, P2M and page tables end after the last address of the address space: give the image \
                 the note INIT_P2M (each 512 GiB of memory take 1 GiB of P2M), or the domain a smaller ramdisk or less \
                 memory",
            ),
            Self::BadImage { base, start, end } => write!(
                f,
                "expected an image on page boundaries after VIRT_BASE {base:#x}, found {start:#x} -> {end:#x}"
            ),
        }
    }
}

impl std::error::Error for Refusal {}
