//! What a line of the log belongs to: a stage of the boot, or work beside the stages.
//!
//! The names are part of the log's grammar (docs/boot-log.md): programs look for them. Neighbours: `boot` and `error`
//! name stages, `report` and `meter` begin their lines with them.

use core::fmt;

/// A stage of the boot, or work beside the stages, by the name that the log has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Stage 1: start_info is parsed.
    StartInfo,
    /// Stage 2: what the builder loaded, in rows.
    Layout,
    /// Stage 3: the builder's page tables are walked.
    Walk,
    /// Stage 4: the direct map.
    DirectMap,
    /// Stage 5: the P2M tree.
    P2m,
    /// Stage 6: the P2M is moved.
    Revector,
    /// Stage 7: the high mapping is cleaned.
    Cleanup,
    /// Stage 8: areas are mapped and unmapped.
    Vmalloc,
    /// Stage 9: modules.
    Module,
    /// The allocator of free pages.
    Frames,
    /// The P2M is compared with Xen's M2P, before and after stage 6.
    Verify,
    /// Page tables, printed.
    Dump,
    /// The conformance programs, if asked for.
    Conformance,
    /// The machine's limits, if asked for.
    Limits,
    /// The whole boot.
    Total,
}

impl Stage {
    /// Returns the name that the log has for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StartInfo => "start_info",
            Self::Layout => "layout",
            Self::Walk => "walk",
            Self::DirectMap => "direct_map",
            Self::P2m => "p2m",
            Self::Revector => "revector",
            Self::Cleanup => "cleanup",
            Self::Vmalloc => "vmalloc",
            Self::Module => "module",
            Self::Frames => "frames",
            Self::Verify => "verify",
            Self::Dump => "dump",
            Self::Conformance => "conformance",
            Self::Limits => "limits",
            Self::Total => "total",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
