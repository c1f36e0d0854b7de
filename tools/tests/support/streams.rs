//! Runs a command with streams without a reader; included by the tests of both commands.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

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
fn code(program: &str, arguments: &[&str], (out, err): (Stream, Stream)) -> i32 {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.stdin(Stdio::null()).stdout(out.stdio()).stderr(err.stdio());
    let status = command.status().expect("the command runs");
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// A verb, and what follows it on some command lines.
pub(crate) type Calls = (&'static str, &'static [&'static [&'static str]]);

/// Calls a command with each line, and with none of its verbs.
pub(crate) fn assert_every_call_ends_with_its_code(program: &str, calls: &[Calls]) {
    for (verb, lines) in calls {
        for line in *lines {
            assert_same_code_without_readers(program, &[&[*verb], *line].concat());
        }
    }
    for arguments in [&[][..], &["--help"], &["--version"], &["no-such-verb"]] {
        assert_same_code_without_readers(program, arguments);
    }
}

/// Compares the verbs of the calls, in alphabetical order, with all that a command has.
pub(crate) fn assert_every_verb_is_called(command: &clap::Command, calls: &[Calls]) {
    let mut verbs: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    verbs.sort_unstable();
    assert_eq!(verbs, calls.iter().map(|(verb, _)| *verb).collect::<Vec<_>>());
}

/// Compares the code with each stream closed to the one with both open.
fn assert_same_code_without_readers(program: &str, arguments: &[&str]) {
    use Stream::{Closed, Open};
    let expected = code(program, arguments, (Open, Open));
    assert!((0..=7).contains(&expected), "{arguments:?}: {expected}");
    for streams in [(Closed, Open), (Open, Closed), (Closed, Closed)] {
        assert_eq!(code(program, arguments, streams), expected, "{arguments:?} with {streams:?}");
    }
}
