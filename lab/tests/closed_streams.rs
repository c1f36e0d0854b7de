//! No verb of the developers' command dies of a stream that nobody reads.
//!
//! What the user's command is tested with too; every verb must have its words here, also those that are not shown.

#[path = "../../tools/tests/support/streams.rs"]
mod streams;

use streams::assert_same_code_without_readers;

const PVLAB: &str = env!("CARGO_BIN_EXE_pvlab");

/// Command lines for each verb: some that print a result, some that complain; none that boots.
const CALLS: [(&str, &[&[&str]]); 9] = [
    ("archive", &[&["--help"], &["/dev/null/archive", "/dev/null/object"]]),
    ("bench", &[&["--help"], &["--runs", "many"]]),
    ("docs", &[&["--help"], &["--check", "/dev/null/none"]]),
    ("embed-symbols", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    ("mutants", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    ("notes", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    ("run", &[&["--help"], &["--kernel", "/dev/null/none"]]),
    ("suite", &[&["--list"], &["--filter", "no such case"]]),
    ("walls", &[&[], &["--package", "no such package"], &["--root", "/dev/null/none"]]),
];

#[test]
fn every_verb_ends_with_its_code_without_readers() {
    for (verb, lines) in CALLS {
        for line in lines {
            assert_same_code_without_readers(PVLAB, &[&[verb], *line].concat());
        }
    }
    for words in [&[][..], &["--help"], &["--version"], &["no-such-verb"]] {
        assert_same_code_without_readers(PVLAB, words);
    }
}

#[test]
fn every_verb_is_called_here() {
    let command = pvlab::command();
    let mut verbs: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    verbs.sort_unstable();
    assert_eq!(verbs, CALLS.map(|(verb, _)| verb));
}
