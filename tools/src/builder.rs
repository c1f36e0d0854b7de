//! The words for builders of guests, as in `make run BUILDER=`.
//!
//! `predict` and `check` take them; the initial domain has an option of its own, `--dom0`, as everywhere.

use clap::ValueEnum;
use pv_layout::predict::domain;

/// Who builds a guest. (No doc comments inside: the help would list them at length.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Builder {
    // The toolstack
    Xl,
    // pv-shim, in a PVH guest
    Shim,
    // GRUB, in a PV guest; its releases differ in nothing that concerns a layout
    #[value(aliases = ["grub-2.06-debian11", "grub-2.06", "grub-2.12"])]
    Grub,
}

impl Builder {
    /// The one whose arithmetic is meant.
    pub(crate) const fn arithmetic(self) -> domain::Builder {
        match self {
            Self::Xl => domain::Builder::Toolstack,
            Self::Shim => domain::Builder::Shim,
            Self::Grub => domain::Builder::Grub,
        }
    }
}
