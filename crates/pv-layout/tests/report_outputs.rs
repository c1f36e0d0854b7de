//! `revector report` on logs in every dialect that it reads, compared with outputs that a person has read.
//!
//! `logs/NAME.log` is the input, `logs/NAME.txt` the expected text. After a change on purpose, `REVECTOR_BLESS=1 cargo
//! test -p pv-layout --test report_outputs` writes the outputs anew and fails for each that changed; read the
//! difference before committing it. Logs of Xen 4.14, 4.17 and 4.20 and of Linux 6.1 are from real boots, with lines
//! left out, but for xen-4.17-dom0-conflict; that one and the others are written from the formats in Xen's and Linux's
//! sources.

#![expect(clippy::disallowed_methods, reason = "files of the tests themselves")]

mod support;

use pv_layout::report::{Format, Verdict};
use std::{collections::BTreeMap, fs};
use support::{logs, plain, report_of};

/// The outputs, by name, with what each must say in one word.
const EXPECTED: &[(&str, Verdict)] = &[
    ("seed", Verdict::Problem),
    ("xl-4.4-small", Verdict::Fine),
    ("xl-4.8-tables-across", Verdict::Problem),
    ("xl-4.12-hvm", Verdict::Fine),
    ("xl-4.14-seed", Verdict::Problem),
    ("xl-4.17-init-p2m", Verdict::Fine),
    ("xl-4.17-refused", Verdict::Problem),
    ("xl-4.17-cut-and-mixed", Verdict::Fine),
    ("xl-4.20-odd-ramdisk", Verdict::Fine),
    ("xl-4.20-init-p2m-256g", Verdict::Fine),
    ("xen-4.1-dom0-ramdisk", Verdict::Fine),
    ("xen-4.6-dom0-clipped", Verdict::Fine),
    ("xen-4.14-dom0", Verdict::Fine),
    ("xen-4.17-dom0-conflict", Verdict::Problem),
    ("xen-4.17-dom0-revector", Verdict::Fine),
    ("xen-4.20-dom0", Verdict::Fine),
    ("xen-two-guests", Verdict::Problem),
    ("xen-in-shim", Verdict::Problem),
    ("guest-copy", Verdict::Fine),
    ("guest-keep", Verdict::Problem),
    ("guest-fault", Verdict::Problem),
    ("guest-refuses", Verdict::Problem),
    ("guest-two-boots", Verdict::Fine),
    ("guest-by-grub", Verdict::Problem),
    ("guest-by-other-grub", Verdict::Problem),
    ("guest-by-shim", Verdict::Problem),
    ("linux-3.2-domu", Verdict::Problem),
    ("linux-6.1-domu", Verdict::Problem),
    ("linux-6.1-dom0", Verdict::Problem),
    ("linux-6.6-kaslr", Verdict::Problem),
];

#[test]
fn every_log_has_its_verdict() {
    for (name, verdict) in EXPECTED {
        assert_eq!(report_of(&[name]).verdict(), *verdict, "{name}:\n{}", plain(&report_of(&[name])));
    }
}

#[test]
fn every_log_is_expected() {
    let names: BTreeMap<_, _> = EXPECTED.iter().copied().collect();
    for entry in fs::read_dir(logs()).expect("the logs can be listed") {
        let path = entry.expect("the logs can be listed").path();
        // Those in folders have other tests.
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a log has a name");
        assert!(names.contains_key(name), "{name} is missing in EXPECTED");
    }
}

#[test]
fn every_output_is_the_one_that_was_read() {
    let held = EXPECTED.iter().map(|(name, _)| hold(&format!("{name}.txt"), &plain(&report_of(&[name]))));
    let differ: Vec<_> = held.filter_map(Result::err).collect();
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}

/// Compares an output with the one in a file; with `REVECTOR_BLESS` it writes the file too, and fails all the same:
/// what was just written equals itself.
fn hold(name: &str, found: &str) -> Result<(), String> {
    let path = logs().join(name);
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    if std::env::var_os("REVECTOR_BLESS").is_some() {
        fs::write(&path, found).expect("the output can be written");
        return Err(format!("{name}: written anew; read the difference"));
    }
    Err(format!(
        "{name}: if the change is wanted, set REVECTOR_BLESS=1; found\n{found}\nexpected\n{expected}"
    ))
}

#[test]
fn no_line_is_longer_than_80_columns() {
    for (name, _) in EXPECTED {
        for line in plain(&report_of(&[name])).lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

/// A finding as its owner reads it has nine lines at most: what happened, why, what to do.
#[test]
fn no_finding_is_longer_than_nine_lines() {
    let public = fs::read_dir(logs().join("public")).expect("the logs can be listed");
    let public = public.map(|entry| entry.expect("the logs can be listed").path());
    let public = public.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
    let names = EXPECTED.iter().map(|(name, _)| (*name).to_owned());
    let names = names.chain(
        public
            .map(|path| format!("public/{}", path.file_stem().expect("a log has a name").to_string_lossy())),
    );
    let mut long = Vec::new();
    for name in names {
        let text = plain(&report_of(&[&name]));
        for finding in
            text.split("\n\n").filter(|part| part.starts_with("Problem: ") || part.starts_with("Note: "))
        {
            if finding.trim_end().lines().count() > 9 {
                long.push(format!("{name}: {finding}"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_357a3cfb_json_is_the_one_that_was_read() {
    let found = Format::Json.show(&report_of(&["seed"])).expect("JSON can be written");
    assert_eq!(hold("seed.json", &found), Ok(()));
}
