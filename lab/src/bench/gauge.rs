//! Instruction counts: the gauge without noise, against a committed baseline.
//!
//! Two sources: boots as the initial domain (`counted`), and pure code of the library on the host, under valgrind's
//! callgrind. A count that has grown by more than 5 % is flagged; one that has
//! shrunk as much asks for a new baseline. The baseline belongs to one compiler and one Xen, whose names it keeps.

use super::{counted, counts_page};
use crate::{dom0_image::BootFiles, lab::Lab, progress::Progress};
use anyhow::{Context, Result};
use pv_layout::{note, out};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Where the baseline is kept, from the checkout's root.
const BASELINE: &str = "docs/bench-baseline.json";
/// Per cent that a count may grow.
const TOLERANCE: u64 = 5;
/// The same counts as a table to read.
const PAGE: &str = "docs/instruction-counts.md";
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
    counts.instructions.extend(counted::all(lab, files, out, progress)?);
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
        fs::write(lab.path(PAGE), counts_page::markdown(&counts.instructions))
            .with_context(|| format!("cannot write {PAGE}"))?;
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
    use super::{Counts, collected, compare};

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
    fn valgrinds_line_gives_the_count() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 1234\n"), Some(1234));
        assert_eq!(collected("==1== nothing"), None);
    }
}
