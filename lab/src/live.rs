//! A guest between its start and its end: what can be said to it, and what it and its toolstack say.
//!
//! `session` hands one to whoever has something to do with the guest, which is `player` or `interact`. `agent` has the
//! words for it.

use crate::{
    agent::Agent,
    console::Console,
    guest::{End, Guest, Reading},
    readers,
    script::{Peer, Ran},
};
use anyhow::{Context, Result};
use std::{
    fmt::Write,
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// For the reading of logs and the destroying of a guest, after it has ended.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(120);
/// For what the agent does besides a command itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes that are typed by one command: the agent's terminal takes lines of at most 4095.
const TYPED_AT_ONCE: usize = 256;

/// What becomes of a guest when all has been said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It may go on to its end, as long as its timeout says.
    Follow,
    /// It is ended now.
    Stop,
    /// The same, because its time is up.
    TimedOut,
}

/// A guest that has been started.
pub(crate) struct Live<'a> {
    agent: &'a mut Agent,
    name: &'a str,
    folder: &'a Path,
    console: Console<'a>,
    /// Commands that have been run for it.
    commands: usize,
}

impl<'a> Live<'a> {
    /// The guest that the agent has just begun, with its logs in `folder`.
    pub(crate) fn new(agent: &'a mut Agent, name: &'a str, folder: &'a Path, console: Console<'a>) -> Self {
        Self { agent, name, folder, console, commands: 0 }
    }

    /// Waits for the guest's end, but not longer than `limit`.
    pub(crate) fn wait_for_end(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.agent.ended().is_none() && Instant::now() < deadline {
            self.listen()?;
        }
        Ok(())
    }

    /// Has the guest removed, however it is; returns its console.
    pub(crate) fn finish(mut self, end: End, guest: &Guest) -> Result<Vec<String>> {
        let end = match end {
            End::Destroy => "destroy",
            End::Keep => "keep",
        };
        let reading = match guest.reading {
            Reading::Nothing => "nothing",
            Reading::Mfndump => "mfndump",
            Reading::All => "all",
        };
        let command = format!("finish {} {end} {reading}", self.name);
        self.ask(&command, "idle", CLOSING_TIMEOUT + guest.reading_timeout())?;
        Ok(self.console.finish())
    }

    /// Sends a command and waits for the answer that begins with this word.
    fn ask(&mut self, command: &str, word: &str, limit: Duration) -> Result<String> {
        self.agent.tell(command)?;
        self.agent.wait_for(word, Instant::now() + limit, &mut || self.console.follow())
    }
}

impl Peer for Live<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<Ran> {
        let mut ran = Ran::default();
        for piece in bytes.chunks(TYPED_AT_ONCE) {
            let command = format!("type {} {}", self.name, octal(piece));
            ran.status = last_number(&self.ask(&command, "typed", ANSWER_TIMEOUT)?)?;
            if ran.status != 0 {
                break;
            }
        }
        Ok(ran)
    }

    fn shell(&mut self, command: &str, limit: Duration) -> Result<Ran> {
        self.commands += 1;
        let step = format!("command-{}", self.commands);
        let [script, output] = ["sh", "out"].map(|end| self.folder.join(format!("{step}.{end}")));
        fs::write(&script, command).with_context(|| format!("cannot write {}", script.display()))?;
        let line = format!("do {} {step} {}", self.name, limit.as_secs().max(1));
        let status = last_number(&self.ask(&line, "did", limit + ANSWER_TIMEOUT)?)?;
        let output = fs::read(&output).with_context(|| format!("cannot read {}", output.display()))?;
        Ok(Ran { status, output: String::from_utf8_lossy(&output).into_owned() })
    }

    fn read_p2m(&mut self, limit: Duration) -> Result<Vec<String>> {
        let listing = format!("p2m-{}.txt", self.commands + 1);
        // Into memory first: over 9p each write is a round trip.
        let command = format!(
            "xen-mfndump dump-p2m \"$ID\" > /p2m.txt\nstatus=$?\ncp /p2m.txt \"/host/$NAME/{listing}\"\n\
             rm /p2m.txt\nexit \"$status\"\n"
        );
        let ran = self.shell(&command, limit)?;
        if ran.status != 0 {
            return Ok(vec![format!("expected exit code 0, found {}: {}", ran.status, ran.output.trim())]);
        }
        Ok(readers::of_listing(&self.folder.join(listing), self.console.lines()).differences)
    }

    fn listen(&mut self) -> Result<()> {
        self.agent.hear()?;
        self.console.follow();
        Ok(())
    }

    fn lines(&self) -> &[String] {
        self.console.lines()
    }

    fn unfinished(&self) -> String {
        self.console.unfinished()
    }

    fn ended(&self) -> Option<&str> {
        self.agent.ended()
    }
}

/// Bytes as the shell's `printf %b` has them.
fn octal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\\0{byte:03o}");
        text
    })
}

/// The exit code at the end of an answer.
fn last_number(answer: &str) -> Result<u32> {
    let word = answer.rsplit(' ').next().unwrap_or("");
    word.parse().with_context(|| format!("expected an exit code at the end of the answer '{answer}'"))
}

#[cfg(test)]
mod tests {
    use super::octal;

    #[test]
    fn typed_bytes_are_octal() {
        assert_eq!(octal(b"ls\r\xff"), "\\0154\\0163\\0015\\0377");
    }
}
