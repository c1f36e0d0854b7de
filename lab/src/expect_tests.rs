//! The suite's judgement, on boots made up for it: each kind of complaint is seen once.

use super::{Column, Comparison, Seen, complaints, misread};
use crate::{
    cases::{self, Case, Start},
    script, table,
};
use pv_layout::{
    predict::domain::{Builder, Domain, Kernel},
    verdict::Outcome,
};

const NOTHING: Seen<'static> = Seen {
    outcome: Outcome::Success,
    script: None,
    console: &[],
    xen: "",
    toolstack: None,
    prediction: None,
    golden: None,
    listed: "",
    readings: &[],
};

fn complain(case: &Case, outcome: Outcome, console: &[&str]) -> Vec<String> {
    let console: Vec<_> = console.iter().map(|line| (*line).to_owned()).collect();
    complaints(case, &Seen { outcome, console: &console, ..NOTHING })
}

#[test]
fn a_good_boot_has_no_complaints() {
    assert!(complain(&cases::CASE, Outcome::Success, &["Test result: SUCCESS"]).is_empty());
}

#[test]
fn each_wrong_thing_is_a_complaint() {
    let case = Case { says: &["needed"], never_says: &["forbidden"], xen_says: &["crashed"], ..cases::CASE };
    let found = complain(&case, Outcome::Crash, &["forbidden"]);
    assert_eq!(found.len(), 4, "{found:?}");
    let seen = Seen { console: &["needed".to_owned()], xen: "(XEN) Domain 1 crashed", ..NOTHING };
    assert!(complaints(&case, &seen).is_empty());
}

#[test]
fn a_guest_that_was_built_and_should_not_have_been_is_a_complaint() {
    let seen = Seen { prediction: Some(Err("too small".to_owned())), ..NOTHING };
    let found = complaints(&cases::CASE, &seen);
    assert!(found.iter().any(|text| text.contains("too small")), "{found:?}");
}

/// What a guest in pv-shim and the Xen around it print of one layout, and what arithmetic says of it.
#[test]
fn a_layout_that_one_of_three_sides_has_otherwise_is_a_complaint() {
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
    let xens = complain(domain, "ffffffff81000000->ffffffff810c4000", "ffffffff81000000->ffffffff810c5000");
    assert!(xens.iter().any(|text| text.contains("row 'kernel': Xen")), "{xens:?}");
    let grubs = complain(Domain { builder: Builder::Grub, ..domain }, "", "");
    assert!(grubs.len() > 4, "{grubs:?}");
}

#[test]
fn a_reading_equals_the_guests_or_differs_as_the_case_says() {
    let reading = |differences: &[&str]| Comparison {
        program: "reader",
        differences: differences.iter().map(|text| (*text).to_owned()).collect(),
    };
    assert!(misread(&[], &reading(&[])).is_empty());
    assert_eq!(misread(&[], &reading(&["lost"])), ["reader: lost"]);
    assert!(misread(&["lo*t"], &reading(&["lost"])).is_empty());
    assert_eq!(misread(&["lost"], &reading(&[])).len(), 1);
    assert_eq!(misread(&["lost"], &reading(&["no exit code"])).len(), 1);
}

#[test]
fn a_line_that_differs_from_the_file_is_a_complaint_and_so_are_missing_and_extra_ones() {
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
    let all = [table::all(), table::readers()].concat();
    for (index, case) in all.iter().enumerate() {
        assert!(case.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{}", case.name);
        assert!(all[..index].iter().all(|other| other.name != case.name), "{} twice", case.name);
    }
}

#[test]
fn scripts_of_initial_domains_need_no_toolstack() {
    for case in [table::all(), table::long(), table::builders(), table::readers()].concat() {
        let direct = matches!(case.start, Start::Dom0 | Start::Dom0Com2);
        assert!(!direct || !script::needs_toolstack(case.script), "{}", case.name);
    }
}

#[test]
fn a_script_that_failed_is_the_complaint() {
    let seen = Seen { outcome: Outcome::Crash, script: Some("script, step 1"), ..NOTHING };
    assert_eq!(complaints(&cases::CASE, &seen), ["script, step 1"]);
}

#[test]
fn a_stack_that_is_nearly_full_is_a_complaint() {
    let found = |line| complain(&cases::CASE, Outcome::Success, &[line]);
    assert!(found("[    0.142842] total: stack: 56 of 64 KiB at most").is_empty());
    assert!(found("[    0.142842] total: heap: 900 of 192 KiB at most").is_empty());
    let full = found("[    0.142842] total: stack: 57 of 64 KiB at most");
    assert_eq!(full, ["expected an eighth of the stack to spare, found 57 of 64 KiB used"]);
}
