//! Whether a boot led to what its case wants: pure, so that the suite's own judgement is tested.
//!
//! `suite` hands in what `session` or `direct` reported.

use crate::{
    cases::{Case, Rows},
    pattern::matches,
    readers::Comparison,
};
use pv_layout::{predict::domain::Plan, rows::Layout, verdict::Outcome};

/// What was seen of one boot.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) outcome: Outcome,
    /// How the case's script failed, if it has one and it did. The guest was stopped then.
    pub(crate) script: Option<&'a str>,
    pub(crate) console: &'a [String],
    /// Xen's own log of the boot.
    pub(crate) xen: &'a str,
    /// The toolstack's log, if it built the guest and logged how.
    pub(crate) toolstack: Option<&'a str>,
    /// What the builder's arithmetic says of a guest that was built: its layout, or why it should not have been.
    pub(crate) prediction: Option<Result<Plan, String>>,
    /// What the tagged lines must equal, if the case has such a file.
    pub(crate) golden: Option<&'a str>,
    /// Names of the modules that must be in the guest's list, a line each.
    pub(crate) listed: &'a str,
    /// What the toolstack's programs read of its P2M, compared with its own line.
    pub(crate) readings: &'a [Comparison],
}

/// What was made of what was seen.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    /// Every way in which the boot was not what the case wants; none if all is well.
    pub(crate) complaints: Vec<String>,
}

impl Judged {
    /// Judges a boot by its case.
    pub(crate) fn of(case: &Case, seen: &Seen<'_>) -> Self {
        Self { outcome: seen.outcome, complaints: complaints(case, seen) }
    }
}

/// Every way in which the boot was not what the case wants; none if all is well.
fn complaints(case: &Case, seen: &Seen<'_>) -> Vec<String> {
    // What a guest that was stopped lacks is lacking for that reason.
    if let Some(complaint) = seen.script {
        return vec![complaint.to_owned()];
    }
    let mut found = Vec::new();
    if seen.outcome != case.outcome {
        let last = seen.console.last().map_or("nothing", String::as_str);
        found.push(format!(
            "expected {}, found {}; the last console line is: {last}",
            case.outcome, seen.outcome
        ));
    }
    for pattern in case.says {
        if !seen.console.iter().any(|line| matches(pattern, line)) {
            found.push(format!("expected a console line with '{pattern}', found none"));
        }
    }
    for pattern in case.never_says {
        if let Some(line) = seen.console.iter().find(|line| matches(pattern, line)) {
            found.push(format!("expected no console line with '{pattern}', found: {line}"));
        }
    }
    for pattern in case.xen_says {
        if !seen.xen.lines().any(|line| matches(pattern, line)) {
            found.push(format!("expected a line of Xen's with '{pattern}', found none"));
        }
    }
    if let (Some((tag, file)), Some(golden)) = (case.golden, seen.golden) {
        found.extend(differing_lines(seen.console, tag, golden).map(|what| format!("{file}: {what}")));
    }
    for name in seen.listed.lines() {
        let entry = format!("module: list: {name} ");
        if !seen.console.iter().any(|line| line.contains(&entry)) {
            found.push(format!("expected module {name} in the list of loaded ones, found none"));
        }
    }
    if let Some(most) = case.mmu_at_most {
        found.extend(too_many_hypercalls(seen.console, most));
    }
    found.extend(nearly_full(seen.console));
    if case.rows == Rows::Compare {
        found.extend(layouts_that_differ(seen));
    }
    found.extend(seen.readings.iter().flat_map(|reading| misread(case.misreads, reading)));
    found
}

/// What is wrong with one reading of the P2M: a difference from the guest's, or an expected one that is not there.
fn misread(expected: &[&str], Comparison { program, differences }: &Comparison) -> Vec<String> {
    if expected.is_empty() {
        return differences.iter().map(|difference| format!("{program}: {difference}")).collect();
    }
    let lacking = |pattern: &&&str| !differences.iter().any(|difference| matches(pattern, difference));
    let complaint =
        |pattern| format!("{program}: expected the difference '{pattern}', found {differences:?}");
    expected.iter().filter(lacking).map(complaint).collect()
}

/// Holds what the builder said, what the guest found and what was predicted against each other.
fn layouts_that_differ(seen: &Seen<'_>) -> Vec<String> {
    let guest = Layout::of_guest(seen.console);
    let mut found = Vec::new();
    if let Some(log) = seen.toolstack {
        found.extend(Layout::differences(&Layout::of_toolstack(log), &guest));
    }
    if let Some(Err(refused)) = &seen.prediction {
        found.push(format!("the guest was built, the prediction is that it cannot be: {refused}"));
    }
    if let Some(Ok(plan)) = &seen.prediction {
        let predicted = Layout::of_plan(plan);
        found.extend(Layout::differences_of(("guest", &guest), ("prediction", &predicted)));
        let xen = Layout::of_xen(seen.console);
        if !xen.is_empty() {
            let predicted = predicted.limited_to(&xen);
            found.extend(Layout::differences_of(("Xen", &xen), ("prediction", &predicted)));
        }
    }
    found
}

/// Whose answers of a file are meant, where those of the initial domain differ: `name: a guest's | its`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Guest,
    InitialDomain,
}

impl Column {
    /// Leaves one of the two answers in each line.
    pub(crate) fn of(self, golden: &str) -> String {
        let line = |line: &str| {
            let (guest, initial) = line.split_once(" | ").unwrap_or((line, ""));
            let (name, _) = guest.split_once(": ").unwrap_or((guest, ""));
            match self {
                Self::InitialDomain if !initial.is_empty() => format!("{name}: {initial}\n"),
                _ => format!("{guest}\n"),
            }
        };
        golden.lines().map(line).collect()
    }
}

/// Compares the lines after a tag with a file, one to one; returns the first that differs.
fn differing_lines(console: &[String], tag: &str, golden: &str) -> Option<String> {
    let mut found = console.iter().filter_map(|line| line.split_once(tag)).map(|(_, line)| line.trim_end());
    let mut number = 0;
    for expected in golden.lines() {
        number += 1;
        match found.next() {
            Some(line) if line == expected => {}
            line => return Some(format!("line {number}: expected '{expected}', found {line:?}")),
        }
    }
    found.next().map(|line| format!("line {}: expected no more lines, found '{line}'", number + 1))
}

/// Reads the line `total: stack: 38 of 64 KiB at most`: an eighth must be left, because before stage 4 nothing says so
/// when the stack overflows. (A heap that is full does, and while modules load it has more than its own piece.)
fn nearly_full(console: &[String]) -> impl Iterator<Item = String> {
    console.iter().filter_map(|line| {
        let (used, of) =
            line.split_once("total: stack: ")?.1.strip_suffix(" KiB at most")?.split_once(" of ")?;
        let (used, of): (u64, u64) = (used.parse().ok()?, of.parse().ok()?);
        (used * 8 > of * 7)
            .then(|| format!("expected an eighth of the stack to spare, found {used} of {of} KiB used"))
    })
}

/// Reads the last line's count: `total: done: 272809 us, 74 hypercalls (13 MMU), ...`.
fn too_many_hypercalls(console: &[String], most: u64) -> Option<String> {
    let line = console.iter().rfind(|line| line.contains("total: done:"));
    let count = line.and_then(|line| line.split_once('(')?.1.split_once(" MMU)")?.0.parse::<u64>().ok());
    match count {
        Some(count) if count <= most => None,
        Some(count) => Some(format!("expected at most {most} MMU hypercalls, found {count}")),
        None => Some("expected a total line with the count of MMU hypercalls, found none".to_owned()),
    }
}

#[cfg(test)]
#[path = "expect_tests.rs"]
mod tests;
