//! Instruction counts: the gauge without noise, against a committed baseline.
//!
//! Two sources. A boot as the initial domain, in a QEMU whose clock goes by instructions (`-icount`): each stage's
//! time is then its number of instructions, Xen's own among them, and the same in every run. And pure code of the
//! library on the host, under valgrind's callgrind. A count that has grown by more than 5 % is flagged; one that has
//! shrunk as much asks for a new baseline. The baseline belongs to one compiler and one Xen, whose names it keeps.

use super::figures::Line;
use crate::{
    direct,
    dom0_image::BootFiles,
    guest::{Container, Create, Guest, Reading},
    lab::Lab,
    progress::Progress,
    qemu::Pace,
};
use anyhow::{Context, Result, bail};
use pv_layout::{note, out, ramdisk::Ramdisk, verdict::Outcome};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

/// Where the baseline is kept, from the checkout's root.
const BASELINE: &str = "docs/bench-baseline.json";
/// Per cent that a count may grow.
const TOLERANCE: u64 = 5;
/// A counted machine's instruction takes this many of its nanoseconds.
const NANOS_AN_INSTRUCTION: u64 = 2;
const MEMORY_MIB: u64 = 512;
/// What `cargo bench` calls the program with the pure code, and what it can do.
const PURE: &str = "pure";

/// What to do with the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Compare,
    Accept,
}

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// What made them: the compiler and the hypervisor.
    made_by: BTreeMap<String, String>,
    instructions: BTreeMap<String, u64>,
}

/// Counts, compares, and says what has grown.
pub(crate) fn run(
    lab: &Lab,
    files: &BootFiles,
    out: &Path,
    mode: Mode,
    progress: &Progress,
) -> Result<ExitCode> {
    let mut counts = Counts::default();
    counts.made_by.insert("xen".to_owned(), files.release().name());
    counts.made_by.insert("rustc".to_owned(), output(Command::new("rustc").arg("--version"))?);
    let step = progress.step("booting by counted instructions");
    counts.instructions.extend(boot(lab, files, out)?);
    step.done();
    if in_path("valgrind") {
        let step = progress.step("counting the instructions of pure code");
        counts.instructions.extend(pure(lab, out)?);
        step.done();
    } else {
        note!("valgrind is missing: pure code is not counted. Install it with: apt-get install valgrind");
    }
    let path = lab.path(BASELINE);
    if mode == Mode::Accept {
        fs::write(&path, serde_json::to_string_pretty(&counts)? + "\n")
            .with_context(|| format!("cannot write {BASELINE}"))?;
        note!("{} counts written to {BASELINE}", counts.instructions.len());
        return Ok(ExitCode::SUCCESS);
    }
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {BASELINE}: make one with --gauge --accept"))?;
    let baseline: Counts = serde_json::from_str(&text)
        .with_context(|| format!("cannot read {BASELINE}: expected what --gauge --accept writes"))?;
    Ok(judge(&baseline, &counts))
}

fn judge(baseline: &Counts, counts: &Counts) -> ExitCode {
    let grown = compare(baseline, counts, &mut |line| out!("{line}"));
    if baseline.made_by != counts.made_by {
        out!("the baseline was made by {:?}, these counts by {:?}", baseline.made_by, counts.made_by);
    }
    if grown == 0 {
        return ExitCode::SUCCESS;
    }
    out!(
        "{grown} counts grew by more than {TOLERANCE} %: make them smaller, or accept them with --gauge --accept"
    );
    ExitCode::from(super::claims::BROKEN)
}

/// Prints each count beside the baseline's; returns how many have grown too much.
fn compare(baseline: &Counts, counts: &Counts, print: &mut dyn FnMut(String)) -> usize {
    let mut grown = 0;
    for (name, &now) in &counts.instructions {
        let Some(&before) = baseline.instructions.get(name) else {
            print(format!("{name:<28} {now:>14}  not in the baseline"));
            continue;
        };
        let change = (now as f64 / before.max(1) as f64 - 1.0) * 100.0;
        let is_grown = now * 100 > before * (100 + TOLERANCE);
        let mark = if is_grown { "  GROWN" } else { "" };
        grown += usize::from(is_grown);
        print(format!("{name:<28} {now:>14}  {change:+7.2} %{mark}"));
    }
    for name in baseline.instructions.keys().filter(|name| !counts.instructions.contains_key(*name)) {
        print(format!("{name:<28}      not counted"));
    }
    grown
}

/// Boots as the initial domain and reads each stage's instructions from its time.
fn boot(lab: &Lab, files: &BootFiles, out: &Path) -> Result<BTreeMap<String, u64>> {
    let folder = out.join("counted");
    crate::lab::fresh_folder(&folder)?;
    let guest = Guest {
        image: lab.path("target/image/revector"),
        memory_mib: MEMORY_MIB,
        ramdisk: Ramdisk::File(lab.path("target/image/modules.cpio")),
        archive: None,
        cmdline: "loglevel=info".to_owned(),
        create: Create::Logged,
        container: Container::Pv,
        reading: Reading::Nothing,
        timeout: Duration::from_secs(120),
    };
    let report = direct::boot(Pace::Counted, files, &folder, &guest, direct::Port::Xen, &mut |_| ())?;
    if report.outcome != Outcome::Success {
        bail!(
            "the counted boot ended with {}: expected SUCCESS; its log is in {}",
            report.outcome,
            folder.display()
        );
    }
    Ok(stages(&report.console))
}

fn stages(console: &[String]) -> BTreeMap<String, u64> {
    let mut stages = BTreeMap::new();
    for Line { stage, text, .. } in console.iter().filter_map(|line| Line::parse(line)) {
        let micros =
            text.strip_prefix("done: ").and_then(|cost| cost.split_once(" us")?.0.parse::<u64>().ok());
        if let Some(micros) = micros {
            *stages.entry(format!("boot/{stage}")).or_default() += micros * 1000 / NANOS_AN_INSTRUCTION;
        }
    }
    stages
}

/// Runs each case of the program with pure code under callgrind.
fn pure(lab: &Lab, out: &Path) -> Result<BTreeMap<String, u64>> {
    let program = build_pure(lab)?;
    let cases = output(Command::new(&program).arg("list"))?;
    let mut counts = BTreeMap::new();
    for case in cases.split_whitespace() {
        let file = out.join(format!("callgrind.{case}.out"));
        let ran = Command::new("valgrind")
            .args(["--tool=callgrind", "--toggle-collect=*measured*"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(&program)
            .arg(case)
            .output()
            .context("cannot start valgrind")?;
        let said = String::from_utf8_lossy(&ran.stderr);
        let count = collected(&said);
        let count = count.filter(|count| *count > 0 && ran.status.success());
        counts.insert(
            format!("pure/{case}"),
            count.with_context(|| format!("valgrind counted nothing: {said}"))?,
        );
    }
    Ok(counts)
}

/// `==123== Collected : 4567`
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

fn build_pure(lab: &Lab) -> Result<PathBuf> {
    let manifest = lab.path("Cargo.toml");
    let built = Command::new("cargo")
        .args([
            "bench",
            "--no-run",
            "--quiet",
            "--message-format=json",
            "--package",
            "revector",
            "--bench",
            PURE,
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&built.stdout);
    let program = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|said| {
            let ours = said["target"]["name"] == PURE;
            said["executable"].as_str().filter(|_| ours).map(PathBuf::from)
        });
    program.with_context(|| format!("cargo built no {PURE}: {}", String::from_utf8_lossy(&built.stderr)))
}

fn output(command: &mut Command) -> Result<String> {
    let out = command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

fn in_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::{Counts, collected, compare, stages};

    fn counts(instructions: &[(&str, u64)]) -> Counts {
        let instructions = instructions.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { instructions, ..Counts::default() }
    }

    fn grown(before: u64, now: u64) -> usize {
        compare(&counts(&[("a", before)]), &counts(&[("a", now)]), &mut |_| ())
    }

    #[test]
    fn a_growth_of_more_than_five_per_cent_is_flagged_and_one_of_five_is_not() {
        assert_eq!(grown(1000, 1051), 1);
        assert_eq!(grown(1000, 1050), 0);
        assert_eq!(grown(1000, 10), 0);
    }

    #[test]
    fn counts_that_one_side_lacks_are_printed_but_not_flagged() {
        let mut lines = Vec::new();
        let flagged = compare(&counts(&[("gone", 1)]), &counts(&[("new", 1)]), &mut |line| lines.push(line));
        assert_eq!((flagged, lines.len()), (0, 2), "{lines:?}");
    }

    #[test]
    fn a_stage_that_runs_twice_is_counted_twice() {
        let console = ["[ 0.000001] verify: done: 3 us, ", "[ 0.000009] verify: done: 5 us, ", "x"];
        let console = console.map(str::to_owned);
        assert_eq!(stages(&console)["boot/verify"], 4000);
    }

    #[test]
    fn valgrinds_line_gives_the_count() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 1234\n"), Some(1234));
        assert_eq!(collected("==1== nothing"), None);
    }
}
