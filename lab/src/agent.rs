//! The line to the initial domain's agent: commands go out, answers come in.
//!
//! Both are lines on the second serial port, which is QEMU's standard input and output. `scripts/dom0-init` is the
//! other end, and says what the lines mean. `session` and `live` speak them.

use crate::{qemu::Qemu, tail::Tail};
use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(20);

/// The initial domain of a running QEMU.
#[derive(Debug)]
pub(crate) struct Agent {
    qemu: Qemu,
    commands: ChildStdin,
    answers: Receiver<String>,
    folder: PathBuf,
    xen_console: Tail,
    /// What it has said, unasked, of the guest's end since the last [`Agent::forget_end`].
    ended: Option<String>,
}

impl Agent {
    /// The agent in this QEMU, which has the logs of its start in `folder`.
    pub(crate) fn new(mut qemu: Qemu, folder: &Path) -> Result<Self> {
        let (commands, output) = qemu.pipes().context("QEMU was started without pipes")?;
        Ok(Self {
            qemu,
            commands,
            answers: follow_answers(output),
            folder: folder.to_path_buf(),
            xen_console: Tail::new(folder.join("xen.log")),
            ended: None,
        })
    }

    /// Sends a command.
    pub(crate) fn tell(&mut self, command: &str) -> Result<()> {
        let sent = writeln!(self.commands, "{command}").and_then(|()| self.commands.flush());
        sent.context("the initial domain takes no commands any more")
    }

    /// Waits for an answer that begins with one of the words of `wanted`.
    pub(crate) fn wait_for(
        &mut self,
        wanted: &str,
        deadline: Instant,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<String> {
        loop {
            let answer = self.hear()?;
            meanwhile();
            match answer {
                Some(answer) if wanted.split('|').any(|word| answer.split(' ').next() == Some(word)) => {
                    return Ok(answer);
                }
                _ if Instant::now() > deadline => bail!(self.lost("it did not answer in time")),
                _ => {}
            }
        }
    }

    /// Waits a moment for the next answer; fails if the initial domain is lost.
    pub(crate) fn hear(&mut self) -> Result<Option<String>> {
        match self.answers.recv_timeout(POLL) {
            Ok(answer) => {
                if let Some(command) = answer.strip_prefix("unknown ") {
                    bail!(self.lost(&format!("it does not know the command '{command}'")));
                }
                if answer.starts_with("ended ") {
                    self.ended = Some(answer.split(' ').nth(2).unwrap_or("-").to_owned());
                }
                return Ok(Some(answer));
            }
            Err(RecvTimeoutError::Disconnected) => bail!(self.lost("its serial port closed")),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = self.qemu.ended() {
            bail!(self.lost(&format!("QEMU ended ({status})")));
        }
        if let Some(line) = dom0_end(&mut self.xen_console) {
            bail!(self.lost(&format!("Xen says \"{line}\"")));
        }
        Ok(None)
    }

    /// The state letters of `xl list` when the guest had ended, if it has.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// Makes ready for another guest.
    pub(crate) fn forget_end(&mut self) {
        self.ended = None;
    }

    /// The most memory that QEMU has had resident so far, in MiB.
    pub(crate) fn peak_mib(&self) -> Option<u64> {
        self.qemu.peak_mib()
    }

    fn lost(&self, why: &str) -> String {
        format!(
            "the initial domain is lost: {why}. Xen's console is in {0}/xen.log, QEMU's messages are in {0}/qemu.log",
            self.folder.display()
        )
    }
}

/// Xen's line on the end of its initial domain; the line itself need not have an end.
fn dom0_end(xen_console: &mut Tail) -> Option<String> {
    let mut lines = xen_console.lines();
    lines.push(xen_console.unfinished());
    lines.into_iter().find(|line| line.contains("(XEN) Hardware Dom0 "))
}

fn follow_answers(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        // A byte that is no text does not end the conversation.
        while output.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if sender.send(String::from_utf8_lossy(&line).trim().to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    receiver
}
