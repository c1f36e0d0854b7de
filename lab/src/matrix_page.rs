//! The page on who boots what: a table with the outcome of each boot of `cases_builders`, written by the suite.
//!
//! One run of the suite is one release of Xen, so that a page is brought up to date rather than written anew: rows of
//! other releases, and cells that this run had no boot for, stay as they were. `suite` calls this.

use crate::{
    builder::Notes,
    cases_builders::{self, Boot, NOTES, WAYS},
    junit::CaseResult,
    lab::XenVersion,
};
use anyhow::{Context, Result};
use clap::ValueEnum;
use pv_layout::verdict::Outcome;
use std::{collections::HashMap, fs, path::Path};

const HEAD: &str = "\
# Who boots what

Each row is an image ([what the notes do](xen-abi.md#elf-notes)) given to a builder of a release of Xen; each cell is
how the boot ended. The suite wrote the table from its results:

```console
$ target/debug/pvlab suite --builders --xen 4.17 --matrix docs/builders-matrix.md
$ target/debug/pvlab suite --long --filter dom0-500g --matrix docs/builders-matrix.md
```

GRUB runs in a guest of the toolstack and builds the image's memory there; that is tried on 4.17 only, pv-shim on 4.17
and 4.20. A dash is a boot that the suite does not have, `(!)` a SUCCESS whose log was not what its case wants.

";
const UNKNOWN: &str = "-";
/// What a row is of, and its cells.
type Rows = HashMap<[String; 3], Cells>;
type Cells = [String; WAYS.len()];

/// A boot's place in the table of any release.
struct Place {
    case: String,
    builder: String,
    notes: Notes,
    column: usize,
}

/// Puts the results of a run on this release into the page, which may not be there yet.
pub(crate) fn update(page: &Path, xen: XenVersion, results: &[CaseResult]) -> Result<()> {
    let old = fs::read_to_string(page).unwrap_or_default();
    let text = updated(&old, xen, results);
    fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))
}

fn updated(old: &str, xen: XenVersion, results: &[CaseResult]) -> String {
    let mut rows: Rows = old.lines().filter_map(row).collect();
    let places = places();
    for Place { case, builder, notes, column } in &places {
        let Some(result) = results.iter().find(|result| result.name == *case) else { continue };
        let key = [builder.clone(), xen.to_string(), notes.to_string()];
        rows.entry(key).or_insert_with(|| Cells::default().map(|_| UNKNOWN.to_owned()))[*column] =
            cell(result);
    }
    let mut text =
        HEAD.to_owned() + "| builder | Xen | notes | no ramdisk, copy | no ramdisk, alias | ramdisk, copy | ";
    text += "ramdisk, alias |\n| --- | --- | --- | --- | --- | --- | --- |\n";
    let mut builders: Vec<_> = places.into_iter().map(|place| place.builder).collect();
    builders.dedup();
    for builder in builders {
        for (xen, notes) in
            XenVersion::value_variants().iter().flat_map(|xen| NOTES.map(|notes| (xen, notes)))
        {
            let key = [builder.clone(), xen.to_string(), notes.to_string()];
            if let Some(cells) = rows.get(&key) {
                text += &format!("| {} | {} |\n", key.join(" | "), cells.join(" | "));
            }
        }
    }
    text
}

/// Every boot in the order of the table.
fn places() -> Vec<Place> {
    let large = cases_builders::large();
    let large = large.iter().map(|case| Place {
        case: case.name.to_string(),
        builder: format!("Xen, initial domain of {} GiB", case.memory_mib / 1024),
        notes: case.notes,
        column: 0,
    });
    cases_builders::boots().iter().map(place).chain(large).collect()
}

fn place(boot: &Boot) -> Place {
    let column = WAYS.iter().position(|way| *way == (boot.ramdisk, boot.strategy)).unwrap_or_default();
    Place { case: boot.name(), builder: boot.by.to_string(), notes: boot.notes, column }
}

/// Reads a row of the table back.
fn row(line: &str) -> Option<([String; 3], Cells)> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let mut words = inner.split(" | ").map(str::to_owned);
    let key = [words.next()?, words.next()?, words.next()?];
    let cells: Vec<_> = words.collect();
    Some((key, cells.try_into().ok()?))
}

fn cell(result: &CaseResult) -> String {
    match result.outcome {
        None => "machine lost".to_owned(),
        Some(Outcome::Success) if !result.complaints.is_empty() => format!("{} (!)", Outcome::Success),
        Some(outcome) => outcome.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn result(name: &str, outcome: Outcome, complaints: &[&str]) -> CaseResult {
        CaseResult {
            name: name.to_owned(),
            time: Duration::ZERO,
            outcome: Some(outcome),
            complaints: complaints.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn a_second_run_changes_its_own_cells_only() {
        let name = "built-xl-both-bare-copy";
        let first = updated("", XenVersion::V4_17, &[result(name, Outcome::Success, &[])]);
        let row = "| libxenguest (`xl`) | 4.17 | both | SUCCESS | - | - | - |\n";
        assert!(first.contains(row), "{first}");
        let other = [result("built-xl-both-ramdisk-alias", Outcome::Crash, &["bad"])];
        let second = updated(&first, XenVersion::V4_17, &other);
        assert!(second.contains("| both | SUCCESS | - | - | CRASH (no verdict) |"), "{second}");
        let third = updated(&second, XenVersion::V4_14, &[result(name, Outcome::Skip, &[])]);
        assert!(third.contains("4.14 | both | SKIP | - | - | - |\n| libxenguest (`xl`) | 4.17"), "{third}");
        assert_eq!(updated(&third, XenVersion::V4_20, &[]), third);
    }

    #[test]
    fn every_boot_has_a_place_of_its_own() {
        let places = places();
        for (index, place) in places.iter().enumerate() {
            let same = |other: &&Place| {
                (&other.builder, other.notes, other.column) == (&place.builder, place.notes, place.column)
            };
            assert_eq!(
                places[index + 1..].iter().find(same).map(|other| &other.case),
                None,
                "{}",
                place.case
            );
        }
    }
}
