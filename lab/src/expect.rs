//! Whether a boot led to what its case wants: pure, so that the suite's own judgement is tested.
//!
//! `suite` hands in what `session` or `direct` reported.

use crate::cases::{Case, Rows};
use pv_layout::{predict::domain::Plan, rows::Layout, verdict::Outcome};

/// What was seen of one boot.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) outcome: Outcome,
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
    if case.rows == Rows::Compare {
        found.extend(layouts_that_differ(seen));
    }
    found
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

/// Whether the parts of `pattern` between its stars occur in `line`, one after the other.
fn matches(pattern: &str, line: &str) -> bool {
    let mut rest = line;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(start) => {
            rest = &rest[start + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{Column, Seen, complaints, matches};
    use crate::{
        cases::{self, Case},
        table,
    };
    use pv_layout::{
        predict::domain::{Builder, Domain, Kernel},
        verdict::Outcome,
    };

    const NOTHING: Seen<'static> = Seen {
        outcome: Outcome::Success,
        console: &[],
        xen: "",
        toolstack: None,
        prediction: None,
        golden: None,
        listed: "",
    };

    fn complain(case: &Case, outcome: Outcome, console: &[&str]) -> Vec<String> {
        let console: Vec<_> = console.iter().map(|line| (*line).to_owned()).collect();
        complaints(case, &Seen { outcome, console: &console, ..NOTHING })
    }

    #[test]
    fn stars_stand_for_anything_in_between() {
        assert!(matches("allocated * of * bytes", "vmalloc: allocated 1 of 2 bytes"));
        assert!(!matches("of * allocated", "allocated 1 of 2 bytes"));
        assert!(matches("plain", "a plain line"));
    }

    #[test]
    fn a_good_boot_has_no_complaints() {
        assert!(complain(&cases::CASE, Outcome::Success, &["Test result: SUCCESS"]).is_empty());
    }

    #[test]
    fn each_wrong_thing_is_told() {
        let case =
            Case { says: &["needed"], never_says: &["forbidden"], xen_says: &["crashed"], ..cases::CASE };
        let found = complain(&case, Outcome::Crash, &["forbidden"]);
        assert_eq!(found.len(), 4, "{found:?}");
        let seen = Seen { console: &["needed".to_owned()], xen: "(XEN) Domain 1 crashed", ..NOTHING };
        assert!(complaints(&case, &seen).is_empty());
    }

    #[test]
    fn a_guest_that_was_built_and_should_not_have_been_is_told() {
        let seen = Seen { prediction: Some(Err("too small".to_owned())), ..NOTHING };
        let found = complaints(&cases::CASE, &seen);
        assert!(found.iter().any(|text| text.contains("too small")), "{found:?}");
    }

    /// What a guest in pv-shim and the Xen around it print of one layout, and what arithmetic says of it.
    #[test]
    fn a_layout_that_one_of_three_sides_tells_otherwise_is_told() {
        let lines = [
            "(XEN) Xen version 4.17.5 (Debian 4.17.5)",
            "(XEN) VIRTUAL MEMORY ARRANGEMENT:",
            "(XEN)  Loaded kernel: ffffffff81000000->ffffffff810c4000",
            "(XEN)  Start info:    ffffffff810f9000->ffffffff810f9490",
            "[    0.013723] revector: 0.1.0, Environment: PV 64bit, xen-3.0-x86_64p, log format 1",
            "[    0.168795] layout: kernel       : 0xffffffff81000000 -> 0xffffffff810c4000  (pfn 0x1000 + 0xc4 pages)",
            "[    0.169435] layout: phys2mach    : 0xffffffff810c4000 -> 0xffffffff810f9000  (pfn 0x10c4 + 0x35 pages)",
            "[    0.169717] layout: start info   : 0xffffffff810f9000  (pfn 0x10f9)",
            "[    0.170023] layout: xenstore     : 0xffffffff810fa000  (pfn 0x10fa)",
            "[    0.170492] layout: console      : 0xffffffff810fb000  (pfn 0x10fb)",
            "[    0.170888] layout: page tables  : 0xffffffff810fc000 -> 0xffffffff81109000  (pfn 0x10fc + 0xd pages)",
            "[    0.175238] layout: boot stack   : 0xffffffff81109000  (pfn 0x1109)",
            "[    0.176005] layout: virt_alloc_end: 0xffffffff8110a000",
            "[    0.530324] walk: tables: L4 1, L3 1, L2 1, L1 10",
            "[    0.531987] layout: virt_pgtab_end: 0xffffffff81400000",
        ];
        let kernel = Kernel::of_pages(0xc4);
        let domain = Domain { builder: Builder::Shim, pages: 0x69db, kernel, ramdisk: None };
        let complain = |domain: Domain, from: &str, to: &str| {
            let console: Vec<_> = lines.iter().map(|line| line.replace(from, to)).collect();
            let prediction = Some(domain.plan().map_err(|refusal| refusal.to_string()));
            complaints(&cases::CASE, &Seen { console: &console, prediction, ..NOTHING })
        };
        assert_eq!(complain(domain, "", ""), Vec::<String>::new());
        let ring = complain(
            domain,
            "xenstore     : 0xffffffff810fa000  (pfn 0x10fa)",
            "xenstore     : 0xffffffff810fa000  (pfn 0x10fc)",
        );
        assert!(ring.iter().any(|text| text.contains("row 'xenstore': guest")), "{ring:?}");
        let xens =
            complain(domain, "ffffffff81000000->ffffffff810c4000", "ffffffff81000000->ffffffff810c5000");
        assert!(xens.iter().any(|text| text.contains("row 'kernel': Xen")), "{xens:?}");
        let grubs = complain(Domain { builder: Builder::Grub, ..domain }, "", "");
        assert!(grubs.len() > 4, "{grubs:?}");
    }

    #[test]
    fn a_line_that_differs_from_the_file_is_told_and_so_are_missing_and_extra_ones() {
        let console = ["[ 0.1] c: a: ok".to_owned(), "[ 0.2] c: b: -EINVAL".to_owned()];
        assert_eq!(super::differing_lines(&console, "c: ", "a: ok\nb: -EINVAL\n"), None);
        for wrong in ["a: ok\nb: ok\n", "a: ok\n", "a: ok\nb: -EINVAL\nc: ok\n"] {
            assert!(super::differing_lines(&console, "c: ", wrong).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn the_initial_domain_is_held_to_what_follows_the_bar() {
        let golden = "a: ok\nb: -EINVAL, ok | ok, ok\n";
        assert_eq!(Column::Guest.of(golden), "a: ok\nb: -EINVAL, ok\n");
        assert_eq!(Column::InitialDomain.of(golden), "a: ok\nb: ok, ok\n");
    }

    #[test]
    fn case_names_are_unique_and_fit_for_a_folder() {
        let all = table::all();
        for (index, case) in all.iter().enumerate() {
            assert!(case.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{}", case.name);
            assert!(all[..index].iter().all(|other| other.name != case.name), "{} twice", case.name);
        }
    }
}
