//! Boots by counted instructions: the image as the initial domain, in a QEMU whose clock goes by instructions.
//!
//! With `-icount` each stage's time is its number of instructions, Xen's own among them, and the same in every run.
//! Several sizes and strategies show which costs grow with the domain. `gauge` compares the counts with a baseline,
//! `counts_page` makes a table of them.

use super::figures::Line;
use crate::{
    builder::Notes,
    direct,
    dom0_image::BootFiles,
    guest::{Container, Create, Guest, Reading, Reboot},
    lab::{Lab, fresh_folder},
    progress::Progress,
    qemu::Pace,
};
use anyhow::{Result, bail};
use pv_layout::{ramdisk::Ramdisk, verdict::Outcome};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// A counted machine's instruction takes this many of its nanoseconds.
const NANOS_AN_INSTRUCTION: u64 = 2;

/// A boot whose instructions are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// Its counts are called `NAME/STAGE`.
    pub(super) name: &'static str,
    notes: Notes,
    memory_mib: u64,
    options: &'static str,
}

/// A boot without notes.
const fn plain(name: &'static str, memory_mib: u64, options: &'static str) -> Counted {
    Counted { name, notes: Notes::None, memory_mib, options }
}

/// An ordinary boot, and what each strategy costs without verification as domains grow.
pub(super) const BOOTS: [Counted; 11] = [
    plain("boot", 512, ""),
    plain("alias-256m", 256, ALIAS),
    plain("alias-16g", 16 << 10, ALIAS),
    plain("alias-128g", 128 << 10, ALIAS),
    plain("alias-500g", 500_000, ALIAS),
    plain("linear-256m", 256, LINEAR),
    plain("linear-128g", 128 << 10, LINEAR),
    plain("linear-500g", 500_000, LINEAR),
    Counted { name: "linear-500g-init-p2m", notes: Notes::InitP2m, memory_mib: 500_000, options: LINEAR },
    plain("copy-256m", 256, COPY),
    plain("copy-128g", 128 << 10, COPY),
];
const ALIAS: &str = "p2m=alias verify=off";
const LINEAR: &str = "p2m=linear verify=off";
const COPY: &str = "p2m=copy verify=off";

/// The instructions from entry until the first module is loaded.
pub(super) const FIRST_MODULE: &str = "to_module";

/// Boots all of them.
///
/// # Errors
/// Whatever the boot fails for, or a boot that does not end with SUCCESS.
pub(super) fn all(
    lab: &Lab,
    files: &BootFiles,
    out: &Path,
    progress: &Progress,
) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for boot in BOOTS {
        let step = progress.step(format!("counting the instructions of {}", boot.name));
        counts.extend(boot.count(lab, files, &out.join(format!("counted-{}", boot.name)))?);
        step.done();
    }
    Ok(counts)
}

impl Counted {
    fn count(&self, lab: &Lab, files: &BootFiles, folder: &Path) -> Result<BTreeMap<String, u64>> {
        fresh_folder(folder)?;
        let guest = self.guest(lab);
        let report = direct::boot(Pace::Counted, files, folder, &guest, direct::Port::Xen, &mut |_| ())?;
        if report.outcome != Outcome::Success {
            bail!(
                "the counted boot {} ended with {}: expected SUCCESS; its log is in {}",
                self.name,
                report.outcome,
                folder.display()
            );
        }
        Ok(stages(self.name, &report.console))
    }

    fn guest(&self, lab: &Lab) -> Guest {
        Guest {
            image: lab.path(&format!("target/image/revector{}", self.notes.suffix())),
            memory_mib: self.memory_mib,
            maxmem_mib: None,
            ramdisk: Ramdisk::File(lab.path("target/image/modules.cpio")),
            archive: None,
            cmdline: format!("loglevel=info {}", self.options),
            create: Create::Logged,
            container: Container::Pv,
            reading: Reading::Nothing,
            reboot: Reboot::Ends,
            script: &[],
            timeout: Duration::from_secs(600),
        }
    }
}

const fn instructions(micros: u64) -> u64 {
    micros * 1000 / NANOS_AN_INSTRUCTION
}

/// Reads each stage's instructions from its time, and those from entry to the first module from that line's.
fn stages(name: &str, console: &[String]) -> BTreeMap<String, u64> {
    let mut stages = BTreeMap::new();
    for Line { micros: line, stage, text } in console.iter().filter_map(|line| Line::parse(line)) {
        let micros =
            text.strip_prefix("done: ").and_then(|cost| cost.split_once(" us")?.0.parse::<u64>().ok());
        if let Some(micros) = micros {
            *stages.entry(format!("{name}/{stage}")).or_default() += instructions(micros);
        }
        if text.contains(": loaded in ") {
            stages.entry(format!("{name}/{FIRST_MODULE}")).or_insert(instructions(line));
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::stages;

    #[test]
    fn a_stage_that_runs_twice_is_counted_twice() {
        let console = ["[ 0.000001] verify: done: 3 us, ", "[ 0.000009] verify: done: 5 us, ", "x"];
        let console = console.map(str::to_owned);
        assert_eq!(stages("boot", &console)["boot/verify"], 4000);
    }
}
