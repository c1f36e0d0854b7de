//! No verb of the developers' command dies of a stream that nobody reads.
//!
//! What the user's command is tested with too; every verb must have its words here, also those that are not shown.

#[path = "../../tools/tests/support/streams.rs"]
mod streams;

use streams::Calls;

const PVLAB: &str = env!("CARGO_BIN_EXE_pvlab");

/// Command lines for each verb: some that print a result, some that complain; none that boots.
const CALLS: [Calls; 10] = [
    ("archive", &[&["--help"], &["/dev/null/archive", "/dev/null/object"]]),
    ("bench", &[&["--help"], &["--runs", "many"]]),
    ("docs", &[&["--help"], &["--check", "/dev/null/none"]]),
    ("embed-symbols", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    ("mutants", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    ("notes", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    ("readers", &[&["--help"], &["/dev/null/none", "--core", "/dev/null/none"]]),
    ("run", &[&["--help"], &["--kernel", "/dev/null/none"]]),
    ("suite", &[&["--list"], &["--filter", "no such case"]]),
    ("walls", &[&[], &["--package", "no such package"], &["--root", "/dev/null/none"]]),
];

#[test]
fn every_verb_ends_with_its_code_without_readers() {
    streams::assert_every_call_ends_with_its_code(PVLAB, &CALLS);
}

#[test]
fn every_verb_is_called_here() {
    streams::assert_every_verb_is_called(&pvlab::command(), &CALLS);
}
