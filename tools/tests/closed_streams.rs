//! No verb dies of a stream without a reader: it ends with the code that it would have ended with.
//!
//! `println` and `eprintln` panic there, which ends as SIGABRT (134): `revector check kernel 2>&1 | head -1`. Every
//! verb of the command line must be called here.

#[path = "support/streams.rs"]
mod streams;

use std::process::Command;
use streams::Calls;

const REVECTOR: &str = env!("CARGO_BIN_EXE_revector");
const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/pv-layout/tests/logs/seed.log");

/// Command lines for each verb: some that print a result, some that complain.
const CALLS: [Calls; 5] = [
    ("check", &[&["--help"], &["/dev/null/none"], &["/dev/zero"], &["--module-area", "5", "x"]]),
    ("manual", &[&["--help"], &["/dev/null/folder"]]),
    (
        "predict",
        &[
            &[],
            &["--memory", "64"],
            &["--memory", "64", "--kernel", "100p"],
            &["--memory", "128G", "--kernel", "0xe43p", "--ramdisk", "0x10784p"],
        ],
    ),
    ("report", &[&[LOG], &["--format", "html", LOG], &["/dev/null/none"], &["-"]]),
    (
        "symbolize",
        &[
            &["--help"],
            &["--kernel", REVECTOR, LOG],
            &["--kernel", "/dev/null/none", LOG],
            &["--kernel", REVECTOR, "-"],
        ],
    ),
];

#[test]
fn every_verb_ends_with_its_code_without_readers() {
    streams::assert_every_call_ends_with_its_code(REVECTOR, &CALLS);
}

#[test]
fn every_verb_is_called_here() {
    streams::assert_every_verb_is_called(&revector_tools::command(), &CALLS);
}

#[test]
fn a_full_disk_is_no_closed_pipe() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut command = Command::new(REVECTOR);
    let output = command.args(["predict", "--memory", "64", "--kernel", "100p"]).stdout(full).output();
    let output = output.expect("the command runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("cannot write to standard output"), "{complaint}");
}
