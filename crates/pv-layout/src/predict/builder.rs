//! The domain builders whose arithmetic is known, and what they are called.
//!
//! Four programs make PV domains (docs/builders.md). Command lines call the guests' by the words of `make run
//! BUILDER=`; `domain` has what they do.

use std::fmt;

/// Who builds the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// libxenguest, for a guest.
    Toolstack,
    /// Xen itself, for the initial domain.
    Xen,
    /// Xen's builder in pv-shim, for the one guest there.
    Shim,
    /// GRUB, in a guest that the toolstack built as GRUB.
    Grub,
}

impl Builder {
    /// Every builder.
    pub const ALL: [Self; 4] = [Self::Toolstack, Self::Xen, Self::Shim, Self::Grub];

    /// The word for programs.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Toolstack => "toolstack",
            Self::Xen => "xen",
            Self::Shim => "shim",
            Self::Grub => "grub",
        }
    }

    /// What it builds.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Xen => "initial domain",
            Self::Toolstack | Self::Shim | Self::Grub => "guest",
        }
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Toolstack => "toolstack",
            Self::Xen => "Xen",
            Self::Shim => "pv-shim",
            Self::Grub => "GRUB",
        })
    }
}
