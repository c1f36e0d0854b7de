//! All that the commands print: the one place that writes to standard output and standard error.
//!
//! `println!` panics when the reader has gone: `revector check kernel | head -1` would end as a crash. Here a pipe
//! without a reader ends the printing and nothing else. The verb goes on to its verdict, so that the exit code
//! of `revector report log | head -1` is the report's; a verb that only prints stops early and ends well. Any other
//! failure to print, such as a full disk, is kept and reported at the end by [`finish`].
//!
//! clap ignores a closed stream by itself, and so does indicatif, which draws on terminals only.

#![expect(clippy::disallowed_methods, reason = "this is the place that the rule sends everybody to")]

use std::{
    fmt::Arguments,
    io::{ErrorKind, IsTerminal, Result, Write, stderr, stdout},
    process::ExitCode,
    sync::OnceLock,
};

/// Whether standard output still has a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Listener {
    Here,
    Gone,
}

/// Why standard output could not be written, other than for want of a reader.
static FAILED: OnceLock<String> = OnceLock::new();

/// Prints to standard output as it is.
pub fn bytes(bytes: &[u8]) -> Listener {
    let mut out = stdout().lock();
    heard(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Prints text with colours, which are left out where standard output is no terminal.
pub fn coloured(text: &str) -> Listener {
    let mut out = anstream::stdout().lock();
    heard(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Prints one line to standard output; macro `out` formats it.
pub fn line(line: Arguments<'_>) -> Listener {
    bytes(format!("{line}\n").as_bytes())
}

/// Says something to the person at the terminal; macro `note` formats it. A text that cannot be written is dropped.
pub fn note(line: Arguments<'_>) {
    let _ = stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Whether standard error is a terminal: a person may watch what is drawn there.
#[must_use]
pub fn is_watched() -> bool {
    stderr().is_terminal()
}

/// The code to end with: `code`, unless standard output was there and could not be written.
#[must_use]
pub fn finish(command: &str, code: ExitCode) -> ExitCode {
    let Some(error) = FAILED.get() else { return code };
    note(format_args!("{command}: cannot write to standard output: {error}"));
    ExitCode::FAILURE
}

fn heard(written: Result<()>) -> Listener {
    match written {
        Ok(()) => return Listener::Here,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => drop(FAILED.set(error.to_string())),
    }
    Listener::Gone
}

/// Prints a line to standard output, as `println` does while there is a reader.
#[macro_export]
macro_rules! out {
    ($($arguments:tt)*) => {{ let _ = $crate::say::line(format_args!($($arguments)*)); }};
}

/// Prints a line to standard error, as `eprintln` does while there is a reader.
#[macro_export]
macro_rules! note {
    ($($arguments:tt)*) => { $crate::say::note(format_args!($($arguments)*)) };
}
