//! No verb dies of a stream that nobody reads: it ends with the code that it would have ended with.
//!
//! `println` and `eprintln` panic there, which ends as SIGABRT (134): `revector check kernel 2>&1 | head -1`. Every
//! verb of the command line must have its words here, also those that are not shown.

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
};

/// Words for each verb: some that print a result, some that complain.
const WORDS: [(&str, &[&[&str]]); 11] = [
    ("archive", &[&["--help"], &["/dev/null/archive", "/dev/null/object"]]),
    ("bench", &[&["--help"], &["--runs", "many"]]),
    ("check", &[&["--help"], &["/dev/null/none"], &["/dev/zero"], &["--module-area", "5", "x"]]),
    ("embed-symbols", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    ("manual", &[&["--help"], &["/dev/null/folder"]]),
    ("mutants", &[&["--help"], &["/dev/null/none", "/dev/null/none"]]),
    (
        "predict",
        &[
            &[],
            &["--memory", "64"],
            &["--memory", "64", "--kernel", "100p"],
            &["--memory", "128G", "--kernel", "0xe43p", "--ramdisk", "0x10784p"],
        ],
    ),
    ("report", &[&["LOG"], &["--format", "html", "LOG"], &["/dev/null/none"], &["-"]]),
    ("run", &[&["--help"], &["--image", "/dev/null/none"]]),
    ("suite", &[&["--list"], &["--filter", "no such case"]]),
    (
        "symbolize",
        &[
            &["--help"],
            &["--image", "COMMAND", "LOG"],
            &["--image", "/dev/null/none", "LOG"],
            &["--image", "COMMAND", "-"],
        ],
    ),
];

/// What a stream is connected to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stream {
    /// Something that takes everything.
    Open,
    /// A pipe whose reader has gone.
    Closed,
}

impl Stream {
    fn stdio(self) -> Stdio {
        match self {
            Self::Open => Stdio::null(),
            Self::Closed => {
                let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().expect("true starts");
                let pipe = reader.stdin.take().expect("it has an input");
                reader.wait().expect("it ends");
                pipe.into()
            }
        }
    }
}

/// The exit code, or minus the signal that ended it.
fn code(words: &[&str], (out, err): (Stream, Stream)) -> i32 {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs/seed.log").display().to_string();
    let words = words.iter().map(|word| match *word {
        "LOG" => log.as_str(),
        "COMMAND" => env!("CARGO_BIN_EXE_revector"),
        word => word,
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_revector"));
    command.args(words).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.stdin(Stdio::null()).stdout(out.stdio()).stderr(err.stdio());
    let status = command.status().expect("the command runs");
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

fn assert_same_code_whoever_listens(words: &[&str]) {
    use Stream::{Closed, Open};
    let expected = code(words, (Open, Open));
    assert!((0..=7).contains(&expected), "{words:?}: {expected}");
    for streams in [(Closed, Open), (Open, Closed), (Closed, Closed)] {
        assert_eq!(code(words, streams), expected, "{words:?} with {streams:?}");
    }
}

#[test]
fn every_verb_ends_with_its_code_whoever_listens() {
    for (verb, lines) in WORDS {
        for line in lines {
            assert_same_code_whoever_listens(&[&[verb], *line].concat());
        }
    }
    for words in [&[][..], &["--help"], &["--version"], &["no-such-verb"]] {
        assert_same_code_whoever_listens(words);
    }
}

#[test]
fn every_verb_has_its_words_here() {
    let command = revector_tools::command();
    let mut verbs: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    verbs.sort_unstable();
    assert_eq!(verbs, WORDS.map(|(verb, _)| verb));
}

#[test]
fn a_full_disk_is_no_closed_pipe() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut command = Command::new(env!("CARGO_BIN_EXE_revector"));
    let output = command.args(["predict", "--memory", "64", "--kernel", "100p"]).stdout(full).output();
    let output = output.expect("the command runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("cannot write to standard output"), "{complaint}");
}
