//! Logs in the shapes that people post: bug trackers, mailing lists, forums. All numbers and names are invented.
//!
//! `logs/public/NAME.log` is the input; `NAME.expect` says what a reader needs from the report, not its wording:
//! `rc N` is the exit code, `has REGEX` must match the output (lines joined, spaces squeezed), `not REGEX` must match
//! no line of it. Formats are from the sources of Xen 4.14 and later, Linux, Mini-OS and GRUB.

#![expect(clippy::disallowed_methods, reason = "files of the tests themselves")]

mod support;

use pv_layout::report::{Report, Verdict};
use regex_lite::Regex;
use std::{fs, path::PathBuf};
use support::{logs, plain};

/// One promise of a `.expect` file.
enum Promise {
    Code(u8),
    Has(Regex),
    Not(Regex),
}

fn promises(text: &str) -> Vec<Promise> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| promise(line).unwrap_or_else(|| panic!("no promise: {line}"))).collect()
}

fn promise(line: &str) -> Option<Promise> {
    let (word, rest) = line.split_once(' ')?;
    Some(match word {
        "rc" => Promise::Code(rest.trim().parse().ok()?),
        "has" => Promise::Has(Regex::new(rest).ok()?),
        "not" => Promise::Not(Regex::new(rest).ok()?),
        _ => return None,
    })
}

fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fine => 0,
        Verdict::Unreadable => 4,
        Verdict::Problem => 5,
    }
}

/// What a report breaks of its promises.
fn broken(report: &Report, promises: &[Promise]) -> Vec<String> {
    let text = plain(report);
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let breaks = |promise: &Promise| match promise {
        Promise::Code(wanted) => {
            let found = code(report.verdict());
            (found != *wanted).then(|| format!("rc {found}, expected {wanted}"))
        }
        Promise::Has(words) => (!words.is_match(&joined)).then(|| format!("lacks {words}")),
        Promise::Not(words) => {
            text.lines().find(|line| words.is_match(line)).map(|line| format!("has {words}: {line}"))
        }
    };
    promises.iter().filter_map(breaks).collect()
}

fn inputs() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(logs().join("public")).expect("the logs can be listed");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("the logs can be listed").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .map(|path| (path.file_stem().expect("a log has a name").to_string_lossy().into_owned(), path))
        .collect();
    found.sort();
    found
}

#[test]
fn every_public_log_comes_to_what_its_reader_needs() {
    let mut failed = Vec::new();
    for (name, path) in inputs() {
        let log = fs::read(&path).expect("a log can be read");
        let expected = fs::read_to_string(path.with_extension("expect")).expect("a log has its expectations");
        let promises = promises(&expected);
        assert!(!promises.is_empty(), "{name} promises nothing");
        let report = Report::of_bytes(&log).expect("memory can be read");
        let broken = broken(&report, &promises);
        if !broken.is_empty() {
            failed.push(format!("{name}: {}\n{}", broken.join("; "), plain(&report)));
        }
    }
    assert!(failed.is_empty(), "{} of {} do not hold:\n{}", failed.len(), inputs().len(), failed.join("\n"));
}

#[test]
fn a_promise_can_be_broken() {
    let report = Report::of_bytes(b"nothing").expect("memory can be read");
    let broken = |text: &str| broken(&report, &promises(text)).len();
    assert_eq!(broken("rc 4\nhas UNREADABLE\nnot OK"), 0);
    assert_eq!(broken("rc 5\nhas PROBLEM\nnot UNREADABLE"), 3);
}
