//! Which boots a benchmark is made of, in which order.
//!
//! Small guests boot several times, kinds by turns, so that a slow minute of the host does not hit one kind alone.
//! Large guests boot once, but for those of 128 GiB whose time is promised: each stays in the machine, and costs the host
//! one per cent of its memory and more.

use crate::{
    dom0_image::BootFiles,
    guest::{Container, Create, Guest, Reading, Reboot},
    lab::Lab,
};
use pv_layout::ramdisk::Ramdisk;
use serde::Serialize;
use std::{path::Path, time::Duration};

/// Above this, each kind of guest boots once.
const REPEATED_UP_TO_MIB: u64 = 1024;
/// The size of the guest that the project is about; it gets its ramdisk too, so that its P2M is in the way.
pub(crate) const SEED_MIB: u64 = 128 * 1024;
/// How often it boots at most where nothing is copied: those boots take less than what a host's noise adds to one. More
/// would not fit below 1 TiB, where the emulated machine's addresses end.
const SEED_RUNS: u32 = 2;
/// Pages of that ramdisk.
const SEED_RAMDISK_PAGES: u64 = 0x1_0784;
/// Where a tree ends.
const TREE_MIB: u64 = 512 * 1024;
/// Linux needs more than this.
const LEAST_LINUX_MIB: u64 = 256;

/// How a guest brings its memory up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    /// The initial domain's own kernel.
    Linux,
    /// `p2m=baseline`: all RAM mapped, an element a page.
    Baseline,
    /// `p2m=copy`.
    Copy,
    /// `p2m=alias`.
    Alias,
    /// `p2m=linear`.
    Linear,
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [Self::Linux, Self::Baseline, Self::Copy, Self::Alias, Self::Linear];

    /// Its name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Baseline => "baseline",
            Self::Copy => "copy",
            Self::Alias => "alias",
            Self::Linear => "linear",
        }
    }

    /// Whether a guest of this size is worth its time: what costs something for each page is not, above the size that
    /// the project is about, and a tree ends at 512 GiB.
    const fn boots(self, memory_mib: u64) -> bool {
        match self {
            Self::Linux => memory_mib >= LEAST_LINUX_MIB && memory_mib <= SEED_MIB,
            Self::Baseline | Self::Copy => memory_mib <= SEED_MIB,
            Self::Alias => memory_mib <= TREE_MIB,
            Self::Linear => true,
        }
    }
}

/// Whether the host has touched the memory that a guest will take before the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Host {
    Warm,
    Cold,
}

/// What of the P2M the guest verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verify {
    Off,
    Full,
}

/// What is equal in boots that are repetitions of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Kind {
    pub memory_mib: u64,
    pub way: Way,
    pub host: Host,
    pub verify: Verify,
}

impl Kind {
    /// Whether it boots in the machine of all others. Those on cold memory and the largest ones have a machine each: they
    /// would not fit the host beside the others.
    pub(crate) fn is_side_by_side(self) -> bool {
        self.host == Host::Warm && self.memory_mib <= SEED_MIB
    }
}

/// One boot.
#[derive(Debug)]
pub(crate) struct Boot {
    pub name: String,
    pub kind: Kind,
    pub guest: Guest,
}

/// All boots, smallest guests first.
pub(crate) fn boots(lab: &Lab, files: &BootFiles, initramfs: &Path, sizes: &[u64], runs: u32) -> Vec<Boot> {
    let mut boots = Vec::new();
    for &memory_mib in sizes {
        for run in 0..runs {
            for kind in kinds(memory_mib).into_iter().filter(|kind| run < repeats(*kind, runs)) {
                let verify = if kind.verify == Verify::Full { "-verified" } else { "" };
                let name = format!("{}-{memory_mib}{verify}-{run}", kind.way.name().to_lowercase());
                let guest = match kind.way {
                    Way::Linux => linux(files, initramfs, memory_mib),
                    _ => ours(lab, kind),
                };
                boots.push(Boot { name, kind, guest });
            }
        }
    }
    boots
}

/// How often a kind boots, if small guests boot `runs` times.
fn repeats(kind: Kind, runs: u32) -> u32 {
    match kind.way {
        _ if kind.memory_mib <= REPEATED_UP_TO_MIB => runs,
        Way::Alias | Way::Linear if kind.memory_mib == SEED_MIB => runs.min(SEED_RUNS),
        _ => 1,
    }
}

/// The kinds of one size. The 357a3cfb guest boots once more, verified, on memory that the host has not touched.
fn kinds(memory_mib: u64) -> Vec<Kind> {
    let warm = |way| Kind { memory_mib, way, host: Host::Warm, verify: Verify::Off };
    let mut kinds: Vec<Kind> = Way::ALL.into_iter().rev().map(warm).collect();
    kinds.retain(|kind| kind.way.boots(memory_mib));
    if memory_mib == SEED_MIB {
        kinds.insert(0, Kind { memory_mib, way: Way::Copy, host: Host::Cold, verify: Verify::Full });
    }
    kinds
}

fn ours(lab: &Lab, kind: Kind) -> Guest {
    let archive = lab.path("target/image/modules.cpio");
    let p2m = kind.way.name();
    let verify = if kind.verify == Verify::Full { "full" } else { "off" };
    let limits = if kind.way == Way::Copy { " limits=on" } else { "" };
    let seed = kind.memory_mib == SEED_MIB;
    let bytes = SEED_RAMDISK_PAGES * 4096;
    Guest {
        image: lab.path(if seed { "target/image/revector-seed" } else { "target/image/revector" }),
        memory_mib: kind.memory_mib,
        maxmem_mib: None,
        ramdisk: if seed { Ramdisk::Sized { bytes } } else { Ramdisk::File(archive.clone()) },
        archive: seed.then_some(archive),
        cmdline: format!("p2m={p2m} verify={verify}{limits}"),
        create: Create::Logged,
        container: Container::Pv,
        reading: Reading::Nothing,
        reboot: Reboot::Ends,
        script: &[],
        timeout: timeout(kind.memory_mib),
    }
}

fn linux(files: &BootFiles, initramfs: &Path, memory_mib: u64) -> Guest {
    Guest {
        image: files.linux(),
        memory_mib,
        maxmem_mib: None,
        ramdisk: Ramdisk::File(initramfs.to_path_buf()),
        archive: None,
        cmdline: "console=hvc0 quiet rdinit=/init".to_owned(),
        create: Create::Logged,
        container: Container::Pv,
        reading: Reading::Nothing,
        reboot: Reboot::Ends,
        script: &[],
        timeout: timeout(memory_mib),
    }
}

/// Mapping all RAM takes about a second for 2 GiB here; slow hosts get five times as long.
fn timeout(memory_mib: u64) -> Duration {
    Duration::from_secs(60 + memory_mib / 400)
}

#[cfg(test)]
mod tests {
    use super::{Host, SEED_MIB, Way, kinds, repeats};

    #[test]
    fn linux_is_left_out_where_it_does_not_fit() {
        assert!(kinds(64).iter().all(|kind| kind.way != Way::Linux));
        assert!(kinds(1024).iter().any(|kind| kind.way == Way::Linux));
    }

    #[test]
    fn the_largest_guests_boot_by_what_does_not_cost_something_for_each_page() {
        let ways = |mib| kinds(mib).iter().map(|kind| kind.way).collect::<Vec<_>>();
        assert_eq!(ways(512 * 1024), [Way::Linear, Way::Alias]);
        assert_eq!(ways(900 * 1024), [Way::Linear]);
    }

    #[test]
    fn a_large_guest_boots_more_than_once_only_where_its_time_is_promised() {
        let runs = |mib, way| {
            let kind = kinds(mib).into_iter().rfind(|kind| kind.way == way).expect("it boots");
            repeats(kind, 5)
        };
        assert_eq!(
            (runs(1024, Way::Linux), runs(SEED_MIB, Way::Linux), runs(SEED_MIB, Way::Copy)),
            (5, 1, 1)
        );
        assert_eq!((runs(SEED_MIB, Way::Alias), runs(SEED_MIB, Way::Linear)), (2, 2));
        assert_eq!(runs(900 * 1024, Way::Linear), 1);
    }

    #[test]
    fn only_the_seeds_guest_boots_on_cold_memory_too() {
        let cold = |mib| kinds(mib).iter().filter(|kind| kind.host == Host::Cold).count();
        assert_eq!((cold(1024), cold(SEED_MIB)), (0, 1));
    }
}
