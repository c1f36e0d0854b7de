//! Plays a script with a guest, and says which step failed and how.
//!
//! `script` has the steps, `live` is the guest, `machines` plays those of cases. What an earlier step has found on the
//! console is passed: a later one does not find it again.

use crate::{
    pattern::matches,
    script::{Peer, Ran, Step},
};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How long an unfinished line must have stayed as it is before it counts: the rest of a line that is being written
/// comes sooner.
const QUIET: Duration = Duration::from_millis(100);
/// For what a guest has printed before it ended, and the log has not got yet.
const AFTER_ITS_END: Duration = Duration::from_secs(1);
/// How a command ends whose time is up.
const KILLED: u32 = 128 + 9;
/// Lines of a console or of an output that a complaint shows.
const SHOWN_LINES: usize = 8;

/// Plays a script with a guest, each step for at most `limit`. Returns the complaint about the step that failed; the steps after it are not played.
pub(crate) fn play(peer: &mut dyn Peer, script: &[Step], limit: Duration) -> Result<Option<String>> {
    Player { peer, limit, passed: Place::default() }.play(script, "script, step ")
}

/// Types lines at the guest's console, each when the prompt is there. Returns why a line was not typed; later ones are
/// not typed either.
pub(crate) fn type_lines(
    peer: &mut dyn Peer,
    lines: &[String],
    prompt: &str,
    limit: Duration,
) -> Result<Option<String>> {
    let mut player = Player { peer, limit, passed: Place::default() };
    for (number, line) in (1..).zip(lines) {
        let mut why = player.expect(prompt)?.map(|why| format!("expected the prompt '{prompt}', {why}"));
        if why.is_none() {
            why = player.send(format!("{line}\r").as_bytes())?;
        }
        if let Some(why) = why {
            return Ok(Some(format!("line {number}, '{line}', was not typed: {why}")));
        }
    }
    Ok(None)
}

/// How far a console has been passed: so many lines, and so many bytes of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    lines: usize,
    bytes: usize,
}

impl Place {
    /// The place after the first text from here on that has the pattern.
    pub(crate) fn after(self, pattern: &str, lines: &[String], unfinished: Option<&str>) -> Option<Self> {
        let rest = lines.iter().enumerate().skip(self.lines);
        for (index, line) in rest {
            let begun = if index == self.lines { self.bytes } else { 0 };
            if matches(pattern, line.get(begun..).unwrap_or("")) {
                return Some(Self { lines: index + 1, bytes: 0 });
            }
        }
        let unfinished = unfinished?;
        let begun = if lines.len() == self.lines { self.bytes } else { 0 };
        let rest = unfinished.get(begun..).filter(|rest| !rest.is_empty())?;
        matches(pattern, rest).then_some(Self { lines: lines.len(), bytes: unfinished.len() })
    }
}

struct Player<'a> {
    peer: &'a mut dyn Peer,
    limit: Duration,
    passed: Place,
}

impl Player<'_> {
    /// Plays steps whose numbers come after `prefix` in a complaint.
    fn play(&mut self, steps: &[Step], prefix: &str) -> Result<Option<String>> {
        for (number, step) in (1..).zip(steps) {
            if let Some(complaint) = self.step(step, &format!("{prefix}{number}"))? {
                return Ok(Some(complaint));
            }
        }
        Ok(None)
    }

    fn step(&mut self, step: &Step, place: &str) -> Result<Option<String>> {
        let why = match step {
            Step::Type(text) => self.send(format!("{text}\r").as_bytes()),
            Step::Send(bytes) => self.send(bytes),
            Step::Expect(pattern) => self.expect(pattern),
            Step::Run(command) => self.run(command, 0, "*"),
            Step::Shows(command, pattern) => self.run(command, 0, pattern),
            Step::Fails(command, status) => self.run(command, *status, "*"),
            Step::ReadP2m => self.read_p2m(),
            Step::Repeat(times, steps) => return self.repeat(*times, steps, place),
        };
        Ok(why?.map(|why| format!("{place}, {step}: {why}")))
    }

    fn repeat(&mut self, times: u32, steps: &[Step], place: &str) -> Result<Option<String>> {
        for round in 1..=times {
            let prefix = format!("{place}, round {round} of {times}, step ");
            if let Some(complaint) = self.play(steps, &prefix)? {
                return Ok(Some(complaint));
            }
        }
        Ok(None)
    }

    fn read_p2m(&mut self) -> Result<Option<String>> {
        let differences = self.peer.read_p2m(self.limit)?;
        Ok((!differences.is_empty()).then(|| differences.join("; ")))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<Option<String>> {
        let wrong = wrong(&self.peer.send(bytes)?, 0, "*");
        Ok(wrong.map(|why| format!("the console's terminal does not take it: {why}; {}", self.latest())))
    }

    fn run(&mut self, command: &str, status: u32, pattern: &str) -> Result<Option<String>> {
        let ran = self.peer.shell(command, self.limit)?;
        Ok(wrong(&ran, status, pattern).map(|why| format!("{why}; its output:{}", last_lines(&ran.output))))
    }

    fn expect(&mut self, pattern: &str) -> Result<Option<String>> {
        let start = Instant::now();
        let mut deadline = start + self.limit;
        let mut ended = None;
        let mut still = Still::default();
        loop {
            if ended.is_none()
                && let Some(state) = self.peer.ended()
            {
                ended = Some(state.to_owned());
                deadline = deadline.min(Instant::now() + AFTER_ITS_END);
            }
            self.peer.listen()?;
            let unfinished = still.of(self.peer.unfinished());
            if let Some(after) = self.passed.after(pattern, self.peer.lines(), unfinished) {
                self.passed = after;
                return Ok(None);
            }
            if Instant::now() > deadline {
                let why = match ended {
                    Some(state) => format!("found none before the guest ended (state {state})"),
                    None => format!("found none in {} s", self.limit.as_secs()),
                };
                return Ok(Some(format!("{why}; {}", self.latest())));
            }
        }
    }

    /// The end of the console, with the line that has no end.
    fn latest(&self) -> String {
        let unfinished = self.peer.unfinished();
        let text = [self.peer.lines(), &[unfinished]].concat().join("\n");
        format!("the last console lines:{}", last_lines(&text))
    }
}

/// An unfinished line, and since when it is as it is.
#[derive(Debug, Default)]
struct Still {
    text: String,
    since: Option<Instant>,
}

impl Still {
    /// The line, if it has not changed for a while.
    fn of(&mut self, text: String) -> Option<&str> {
        let now = Instant::now();
        if self.text != text {
            *self = Self { text, since: None };
        }
        let since = *self.since.get_or_insert(now);
        (now - since >= QUIET).then_some(self.text.as_str())
    }
}

/// What is wrong with how a command ended, if anything is.
fn wrong(ran: &Ran, status: u32, pattern: &str) -> Option<String> {
    if ran.status != status {
        let killed = if ran.status == KILLED { " (killed: its time was up)" } else { "" };
        return Some(format!("expected exit code {status}, found {}{killed}", ran.status));
    }
    let lacks = pattern != "*" && !ran.output.lines().any(|line| matches(pattern, line));
    lacks.then(|| format!("expected a line of output with '{pattern}', found none"))
}

/// The last lines of a text, each on a line of its own.
fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return " none".to_owned();
    }
    let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    shown.iter().map(|line| format!("\n        {line}")).collect()
}

#[cfg(test)]
#[path = "player_tests.rs"]
mod tests;
