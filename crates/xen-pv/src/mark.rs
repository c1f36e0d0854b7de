//! The mark by which a domain's builder can be recognised, if it leaves one.
//!
//! Nothing in start_info names the builder. Three of the four that docs/builders.md describes do something that no
//! other does: Xen sets the flag of the initial domain; Xen in pv-shim passes a guest its default of `SIF_PM_MASK`;
//! GRUB puts the console ring's page before the xenstore ring's. libxenguest leaves no mark, and neither do builders
//! that work like it, such as krata's: nothing is claimed about those. `start_info` looks for the mark, a kernel's log
//! prints it.
//!
//! Sources: xen/include/public/xen.h; xen/arch/x86/pv/dom0_build.c (`dom0_construct`), xen/arch/x86/pv/shim.c;
//! GRUB's grub-core/loader/i386/xen.c (`grub_xen_special_alloc`).

use core::fmt;

use crate::abi::SIF_PM_MASK;
use crate::addr::Pfn;
use crate::role::Role;

/// Who built the domain, as far as that can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Xen, for its initial domain.
    Xen,
    /// Xen's builder in pv-shim.
    Shim,
    /// GRUB.
    Grub,
    /// A builder that leaves no mark: libxenguest, or one like it.
    None,
}

impl Mark {
    /// Looks at the flags of start_info, and at the pages of a guest's xenstore and console rings.
    #[must_use]
    pub fn of(role: Role, flags: u32, store: Option<Pfn>, console: Option<Pfn>) -> Self {
        match role {
            Role::InitialDomain => Self::Xen,
            Role::Guest if flags & SIF_PM_MASK != 0 => Self::Shim,
            Role::Guest if store.zip(console).is_some_and(|(store, console)| console < store) => Self::Grub,
            Role::Guest => Self::None,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xen => "Xen, by SIF_INITDOMAIN",
            Self::Shim => "pv-shim, by SIF_PM_MASK in a guest's flags",
            Self::Grub => "GRUB, by its console ring before the xenstore ring",
            Self::None => "no mark, as libxenguest leaves none",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_what_one_builder_does_and_no_other() {
        let of = |flags, store, console| {
            Mark::of(Role::Guest, flags, Some(Pfn::new(store)), Some(Pfn::new(console)))
        };
        assert_eq!(of(0, 0x1088, 0x1089), Mark::None);
        assert_eq!(of(8, 0x1088, 0x1089), Mark::None, "SIF_MOD_START_PFN is an image's doing");
        assert_eq!(of(0, 0x1089, 0x1088), Mark::Grub);
        assert_eq!(of(0x308, 0x1088, 0x1089), Mark::Shim);
        assert_eq!(Mark::of(Role::InitialDomain, 0x303, None, None), Mark::Xen);
    }
}
