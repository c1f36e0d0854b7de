//! What a case does with its guest while that runs: a list of steps, and whom they are played with.
//!
//! ```text
//! Case { script: &[Expect("revector> "), Type("help"), Expect("commands: *"), Run("xl shutdown -w $NAME")], .. }
//! ```
//!
//! `player` plays it; the real peer is a guest under Xen (`live`), the tests have one made up.

use anyhow::Result;
use std::{fmt, time::Duration};

/// Bytes that a complaint shows of what was sent.
const SHOWN_BYTES: usize = 40;

/// One thing to do, or to wait for. Each may take as long as the case's timeout says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Types a line at the guest's console: the text and a carriage return.
    Type(&'static str),
    /// Sends bytes to the guest's console as they are.
    Send(&'static [u8]),
    /// Waits for a console line with this pattern, after what earlier steps of this kind have found. The last line need
    /// not have an end: a prompt has none.
    Expect(&'static str),
    /// Runs a shell command in the initial domain, with the guest's name and id in `$NAME` and `$ID`: exit code 0.
    Run(&'static str),
    /// The same, and some line of its output must have this pattern.
    Shows(&'static str, &'static str),
    /// The same, and it must end with this exit code.
    Fails(&'static str, u32),
    /// Has the toolstack's program read the P2M now, and compares it with the guest's last digest line.
    ReadP2m,
    /// Plays these steps as many times.
    Repeat(u32, &'static [Step]),
}

/// What came of a command in the initial domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) status: u32,
    /// What it printed, errors too.
    pub(crate) output: String,
}

/// Whom a script is played with: a guest and its toolstack. What fails is the machine around them.
pub(crate) trait Peer {
    /// Types bytes at the guest's console.
    fn send(&mut self, bytes: &[u8]) -> Result<Ran>;
    /// Runs a command in the initial domain.
    fn shell(&mut self, command: &str, limit: Duration) -> Result<Ran>;
    /// Every way in which what the toolstack reads of the P2M is not what the guest has printed last.
    fn read_p2m(&mut self, limit: Duration) -> Result<Vec<String>>;
    /// Waits a moment for something to happen, and reads the console.
    fn listen(&mut self) -> Result<()>;
    /// The complete lines of the console.
    fn lines(&self) -> &[String];
    /// What there is of the line after them.
    fn unfinished(&self) -> String;
    /// The guest's state letters when it had ended, if it has.
    fn ended(&self) -> Option<&str>;
}

/// Whether a script has the P2M read.
pub(crate) fn reads_p2m(script: &[Step]) -> bool {
    script.iter().any(|step| match step {
        Step::ReadP2m => true,
        Step::Repeat(_, steps) => reads_p2m(steps),
        _ => false,
    })
}

/// Whether a script has steps that only a toolstack can take.
#[cfg(test)]
pub(crate) fn needs_toolstack(script: &[Step]) -> bool {
    script.iter().any(|step| match step {
        Step::Type(_) | Step::Send(_) | Step::Expect(_) => false,
        Step::Run(_) | Step::Shows(..) | Step::Fails(..) | Step::ReadP2m => true,
        Step::Repeat(_, steps) => needs_toolstack(steps),
    })
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(text) => write!(f, "type '{text}'"),
            Self::Send(bytes) if bytes.len() > SHOWN_BYTES => {
                let shown = bytes[..SHOWN_BYTES].escape_ascii();
                write!(f, "send {} bytes, \"{shown}\"...", bytes.len())
            }
            Self::Send(bytes) => write!(f, "send \"{}\"", bytes.escape_ascii()),
            Self::Expect(pattern) => write!(f, "wait for a console line with '{pattern}'"),
            Self::Run(command) | Self::Shows(command, _) | Self::Fails(command, _) => {
                write!(f, "run '{command}'")
            }
            Self::ReadP2m => f.write_str("read the P2M"),
            Self::Repeat(times, _) => write!(f, "repeat {times} times"),
        }
    }
}
