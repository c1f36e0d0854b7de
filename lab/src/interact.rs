//! Who talks to the guest of `pvlab run`: nobody, a file's lines, or the person at the terminal.
//!
//! `run` chooses, `live` is the guest. A person sees the console byte by byte, because a prompt has no line end; else
//! it is printed line by line.

use crate::{
    live::{After, Live},
    player,
    script::Peer,
    tail::Tail,
    terminal::{Input, Terminal},
};
use anyhow::{Context, Result, bail};
use pv_layout::{note, say};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The key that leaves, as with `xl console`: Ctrl-].
const LEAVE: u8 = 0x1d;
/// What the guest prints when it waits for a line.
const PROMPT: &str = "revector> ";

/// Who talks to the guest.
#[derive(Debug)]
pub(crate) enum Talker {
    Nobody,
    Lines {
        lines: Vec<String>,
        /// Why not all of them were typed.
        complaint: Option<String>,
    },
    Person {
        /// What has been shown of the console.
        shown: Tail,
        left: Left,
    },
}

/// Whether the person has left the guest with the key for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Yes,
    No,
}

impl Talker {
    /// A file's lines, if there is one; else the person at the terminal, if there is one. The guest's console log is
    /// going to be `console`.
    pub(crate) fn choose(lines: Option<&Path>, console: PathBuf) -> Result<Self> {
        let Some(file) = lines else {
            let person = Self::Person { shown: Tail::new(console), left: Left::No };
            return Ok(if Terminal::is_there() { person } else { Self::Nobody });
        };
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self::Lines { lines: text.lines().map(str::to_owned).collect(), complaint: None })
    }

    /// Whether the console is printed here, and not line by line by the caller.
    pub(crate) const fn shows_console(&self) -> bool {
        matches!(self, Self::Person { .. })
    }

    /// Talks to a guest that has been started.
    pub(crate) fn talk(&mut self, live: &mut Live<'_>, limit: Duration) -> Result<After> {
        match self {
            Self::Nobody => Ok(After::Follow),
            Self::Lines { lines, complaint } => {
                *complaint = player::type_lines(live, lines, PROMPT, limit)?;
                Ok(if complaint.is_none() { After::Follow } else { After::Stop })
            }
            Self::Person { shown, left } => {
                note!("this terminal is the guest's console: Ctrl-] leaves it and ends the guest");
                connect(live, &Terminal::take()?, shown, left, limit)
            }
        }
    }

    /// Shows the end of the console, when the guest is gone; fails if a line was not typed.
    pub(crate) fn finish(self) -> Result<Left> {
        match self {
            Self::Nobody | Self::Lines { complaint: None, .. } => Ok(Left::No),
            Self::Lines { complaint: Some(complaint), .. } => bail!(complaint),
            Self::Person { mut shown, left } => {
                let _ = say::bytes(&shown.bytes());
                Ok(left)
            }
        }
    }
}

/// Connects the terminal with the guest's console until the guest ends or the person leaves. The first key lifts the
/// limit: somebody is there.
fn connect(
    live: &mut Live<'_>,
    terminal: &Terminal,
    shown: &mut Tail,
    left: &mut Left,
    limit: Duration,
) -> Result<After> {
    let mut deadline = Some(Instant::now() + limit);
    while live.ended().is_none() {
        let _ = say::bytes(&shown.bytes());
        match terminal.input()? {
            Input::Nothing => {}
            Input::Over => return Ok(After::Stop),
            Input::Keys(keys) => {
                deadline = None;
                let typed;
                (typed, *left) = until_leave(&keys);
                // A guest that does not read is no reason to end.
                live.send(typed)?;
                if *left == Left::Yes {
                    // Ends the line that the prompt is in.
                    note!("");
                    return Ok(After::Stop);
                }
            }
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Ok(After::TimedOut);
        }
        live.listen()?;
    }
    Ok(After::Follow)
}

/// The keys before the one that leaves.
fn until_leave(keys: &[u8]) -> (&[u8], Left) {
    match keys.iter().position(|key| *key == LEAVE) {
        Some(end) => (&keys[..end], Left::Yes),
        None => (keys, Left::No),
    }
}

#[cfg(test)]
mod tests {
    use super::{Left, until_leave};

    #[test]
    fn keys_after_the_one_that_leaves_are_not_typed() {
        assert_eq!(until_leave(b"help\r\x1dmore"), (b"help\r".as_slice(), Left::Yes));
        assert_eq!(until_leave(b"help\r"), (b"help\r".as_slice(), Left::No));
    }
}
