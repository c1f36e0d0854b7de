//! Every image by every builder: four combinations of notes, with and without a ramdisk, moved by copy and by alias.
//!
//! Each of the four builders carries out the notes `INIT_P2M` and `MOD_START_PFN` in a way of its own, so each
//! combination is one more layout of P2M and ramdisk. All must end in SUCCESS. A tenth of them are in the table that
//! every change runs, the rest in the long one; `matrix_page` writes down how each ended.

use crate::{
    builder::Notes,
    cases::{Case, HELLO, Start, case},
    grub::GrubVersion,
    lab::XenVersion,
};
use std::{borrow::Cow, fmt};

/// Who builds, and from whom it takes the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// libxenguest, for a guest.
    Xl,
    /// Xen, for the initial domain.
    Xen,
    /// Xen's builder as pv-shim has it, for a guest.
    Shim,
    Grub(GrubVersion),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithRamdisk {
    No,
    Yes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Copy,
    Alias,
}

/// One boot of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) by: By,
    pub(crate) notes: Notes,
    pub(crate) ramdisk: WithRamdisk,
    pub(crate) strategy: Strategy,
}

pub(crate) const BUILDERS: [By; 6] = [
    By::Xl,
    By::Xen,
    By::Shim,
    By::Grub(GrubVersion::V2_06Debian11),
    By::Grub(GrubVersion::V2_06),
    By::Grub(GrubVersion::V2_12),
];
pub(crate) const NOTES: [Notes; 4] = [Notes::None, Notes::InitP2m, Notes::ModStartPfn, Notes::Both];
/// Ramdisk and strategy together, in the order of the page.
pub(crate) const WAYS: [(WithRamdisk, Strategy); 4] = [
    (WithRamdisk::No, Strategy::Copy),
    (WithRamdisk::No, Strategy::Alias),
    (WithRamdisk::Yes, Strategy::Copy),
    (WithRamdisk::Yes, Strategy::Alias),
];

/// Chosen so that each builder meets a ramdisk and each strategy, and each combination of notes is there twice. The
/// image without notes is in all other tables too, by every builder but GRUB.
const EVERY_TIME: [(By, Notes, WithRamdisk, Strategy); 9] = [
    (By::Xl, Notes::InitP2m, WithRamdisk::Yes, Strategy::Copy),
    (By::Xl, Notes::ModStartPfn, WithRamdisk::Yes, Strategy::Alias),
    (By::Xl, Notes::Both, WithRamdisk::No, Strategy::Alias),
    (By::Xen, Notes::Both, WithRamdisk::Yes, Strategy::Copy),
    (By::Xen, Notes::InitP2m, WithRamdisk::No, Strategy::Alias),
    (By::Shim, Notes::Both, WithRamdisk::Yes, Strategy::Alias),
    (By::Shim, Notes::ModStartPfn, WithRamdisk::Yes, Strategy::Copy),
    (By::Grub(GrubVersion::V2_06), Notes::None, WithRamdisk::Yes, Strategy::Alias),
    (By::Grub(GrubVersion::V2_06), Notes::Both, WithRamdisk::Yes, Strategy::Copy),
];

/// The whole matrix.
pub(crate) fn boots() -> Vec<Boot> {
    let mut all = Vec::new();
    for by in BUILDERS {
        for notes in NOTES {
            all.extend(WAYS.map(|(ramdisk, strategy)| Boot { by, notes, ramdisk, strategy }));
        }
    }
    all
}

/// The cases of all boots.
pub(crate) fn all() -> Vec<Case> {
    boots().iter().map(Boot::case).collect()
}

/// Those that every change runs.
pub(crate) fn every_time() -> Vec<Case> {
    EVERY_TIME.map(|(by, notes, ramdisk, strategy)| Boot { by, notes, ramdisk, strategy }.case()).into()
}

/// An initial domain larger than what fits after a kernel in the high mapping is possible with `INIT_P2M` only; 500
/// GiB are below that limit, for all four.
pub(crate) fn large() -> Vec<Case> {
    let large = |notes: Notes| Case {
        name: Cow::Owned(format!("dom0-500g-{notes}")),
        start: Start::Dom0,
        notes,
        memory_mib: 500 * 1024,
        timeout_secs: 600,
        says: &["verify: 131072000 of 131072000 entries equal M2P", HELLO],
        ..case("")
    };
    NOTES.map(large).into()
}

impl Boot {
    /// The name of its case.
    pub(crate) fn name(&self) -> String {
        let Self { by, notes, ramdisk, strategy } = self;
        let by = match by {
            By::Xl => "xl".to_owned(),
            By::Xen => "dom0".to_owned(),
            By::Shim => "shim".to_owned(),
            By::Grub(version) => format!("grub-{version}").replace('.', ""),
        };
        let ramdisk = match ramdisk {
            WithRamdisk::No => "bare",
            WithRamdisk::Yes => "ramdisk",
        };
        let strategy = match strategy {
            Strategy::Copy => "copy",
            Strategy::Alias => "alias",
        };
        format!("built-{by}-{notes}-{ramdisk}-{strategy}")
    }

    fn case(&self) -> Case {
        let (start, memory_mib, xens): (_, _, &[XenVersion]) = match self.by {
            By::Xl => (Start::Guest, 64, &[]),
            By::Xen => (Start::Dom0, 256, &[]),
            By::Shim => (Start::Shim, 128, &[XenVersion::V4_17, XenVersion::V4_20]),
            By::Grub(version) => (Start::Grub(version), 64, &[XenVersion::V4_17]),
        };
        Case {
            name: Cow::Owned(self.name()),
            start,
            memory_mib,
            xens,
            notes: self.notes,
            ramdisk: match self.ramdisk {
                WithRamdisk::No => "none",
                WithRamdisk::Yes => "target/image/modules.cpio",
            },
            cmdline: match self.strategy {
                Strategy::Copy => "p2m=copy",
                Strategy::Alias => "p2m=alias",
            },
            says: self.says(),
            ..case("")
        }
    }

    /// Each list is leaked, once in the life of the process.
    fn says(&self) -> &'static [&'static str] {
        let mut says = vec![HELLO, self.by.mark()];
        if self.ramdisk == WithRamdisk::Yes {
            says.push(HAS_RAMDISK);
        }
        if self.strategy == Strategy::Alias {
            says.push(COPIED_NOTHING);
        }
        says.leak()
    }
}

const HAS_RAMDISK: &str = "start_info: ramdisk of * bytes";
const COPIED_NOTHING: &str = "total: done:*, 0 KiB copied,*";

impl By {
    /// What the guest knows its builder by.
    const fn mark(self) -> &'static str {
        match self {
            Self::Xl => "start_info: builder: no mark, as libxenguest leaves none",
            Self::Xen => "start_info: builder: Xen, by SIF_INITDOMAIN",
            Self::Shim => "start_info: builder: pv-shim, by SIF_PM_MASK in a guest's flags",
            Self::Grub(_) => "start_info: builder: GRUB, by its console ring before the xenstore ring",
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xl => f.write_str("libxenguest (`xl`)"),
            Self::Xen => f.write_str("Xen, initial domain"),
            Self::Shim => f.write_str("pv-shim"),
            Self::Grub(version) => write!(f, "GRUB {version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_table_is_a_tenth_of_the_matrix_and_has_something_of_everything() {
        let releases = |boot: &Boot| match boot.by {
            By::Xl | By::Xen => 3,
            By::Shim => 2,
            By::Grub(GrubVersion::V2_06) => 1,
            By::Grub(_) => 0,
        };
        let matrix: usize = boots().iter().map(releases).sum();
        assert_eq!(matrix, 144);
        assert!(EVERY_TIME.len() <= matrix / 10);
        for notes in NOTES {
            assert!(EVERY_TIME.iter().any(|boot| boot.1 == notes), "{notes}");
        }
        for by in [By::Xl, By::Xen, By::Shim, By::Grub(GrubVersion::V2_06)] {
            let its: Vec<_> = EVERY_TIME.iter().filter(|boot| boot.0 == by).collect();
            assert!(its.iter().any(|boot| boot.2 == WithRamdisk::Yes), "{by}");
            for strategy in [Strategy::Copy, Strategy::Alias] {
                assert!(its.iter().any(|boot| boot.3 == strategy), "{by} {strategy:?}");
            }
        }
    }
}
