//! Who builds a guest's memory, and which notes of the image it is asked to obey.
//!
//! Each builder makes page tables, P2M and start_info by rules of its own, and each has rules of its own for the two
//! notes that move something. `run` and `suite` choose; `guest` writes the toolstack's configuration for it.

use crate::{
    grub::{Grub, GrubVersion},
    guest::Container,
    lab::Lab,
    progress::Progress,
    release::Release,
};
use anyhow::Result;
use std::fmt;

/// A builder of guests; the initial domain's is Xen itself. (No doc comments inside: the help would list them at
/// length.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Builder {
    // The toolstack
    Xl,
    // pv-shim, in a PVH guest
    Shim,
    // Debian 11's GRUB 2.06, in a PV guest
    #[value(name = "grub-2.06-debian11")]
    Grub206Debian11,
    // Debian 12's GRUB 2.06
    #[value(name = "grub-2.06", alias = "grub")]
    Grub206,
    // Debian 13's GRUB 2.12
    #[value(name = "grub-2.12")]
    Grub212,
}

impl Builder {
    /// What the toolstack builds for it, of this Xen release; fetches what is missing.
    pub(crate) fn container(self, lab: &Lab, release: &Release, progress: &Progress) -> Result<Container> {
        let grub = match self {
            Self::Xl => return Ok(Container::Pv),
            Self::Shim => return Ok(Container::Shim(release.shim())),
            Self::Grub206Debian11 => GrubVersion::V2_06Debian11,
            Self::Grub206 => GrubVersion::V2_06,
            Self::Grub212 => GrubVersion::V2_12,
        };
        Grub::ready(lab, grub, progress).map(Container::Grub)
    }
}

/// Notes that an image has besides those of its link, `make notes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    None,
    InitP2m,
    ModStartPfn,
    Both,
}

impl Notes {
    /// What the name of such an image ends with.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::InitP2m => "-init-p2m",
            Self::ModStartPfn => "-mod-start-pfn",
            Self::Both => "-both",
        }
    }
}

impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            other => &other.suffix()[1..],
        })
    }
}
