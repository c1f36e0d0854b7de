//! The terminal of a person who talks to a guest: keys as they are typed, and everything put back in the end.
//!
//! Keys go to the guest one by one, Ctrl-C too; what is printed is processed as before, so that other messages keep
//! their line ends. The old mode comes back when the value is dropped, before a panic prints anything, and when a signal
//! asks the command to end: `interact` sees that and leaves.

use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    stdio,
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr},
};
use signal_hook::{consts::TERM_SIGNALS, flag};
use std::{
    panic,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The mode to put back; none while the terminal is as it was.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// What a person has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Nothing,
    Keys(Vec<u8>),
    /// There is no terminal any more, or a signal asks to end.
    Over,
}

/// The terminal while its keys go to a guest.
#[derive(Debug)]
pub(crate) struct Terminal {
    asked_to_end: Arc<AtomicBool>,
    put_back: Arc<AtomicBool>,
}

impl Terminal {
    /// Whether a person types and reads: both streams are a terminal.
    pub(crate) fn is_there() -> bool {
        isatty(stdio::stdin()) && isatty(stdio::stdout())
    }

    /// Takes each key as it is typed from here on.
    pub(crate) fn take() -> Result<Self> {
        let terminal = Self { asked_to_end: Arc::default(), put_back: Arc::default() };
        for signal in TERM_SIGNALS {
            // In this order: a signal after the terminal was put back ends the command at once, as any other.
            flag::register_conditional_default(*signal, Arc::clone(&terminal.put_back))?;
            flag::register(*signal, Arc::clone(&terminal.asked_to_end))?;
        }
        let before = tcgetattr(stdio::stdin()).context("cannot read the terminal's mode")?;
        let mut raw = before.clone();
        raw.make_raw();
        raw.output_modes = before.output_modes;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        put_back_on_panic();
        tcsetattr(stdio::stdin(), OptionalActions::Now, &raw).context("cannot set the terminal's mode")?;
        Ok(terminal)
    }

    /// What has been typed since; does not wait.
    pub(crate) fn input(&self) -> Result<Input> {
        if self.asked_to_end.load(Ordering::Relaxed) {
            return Ok(Input::Over);
        }
        let input = stdio::stdin();
        let mut ready = [PollFd::new(&input, PollFlags::IN)];
        match poll(&mut ready, Some(&Timespec::default())) {
            Ok(0) | Err(Errno::INTR) => return Ok(Input::Nothing),
            Ok(_) => {}
            Err(error) => return Err(error).context("cannot wait for keys"),
        }
        let mut keys = [0; 256];
        match read(input, &mut keys) {
            // A terminal that has gone away reads as an error.
            Ok(0) | Err(Errno::IO) => Ok(Input::Over),
            Ok(count) => Ok(Input::Keys(keys[..count].to_vec())),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Input::Nothing),
            Err(error) => Err(error).context("cannot read keys"),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        put_back();
        self.put_back.store(true, Ordering::Relaxed);
    }
}

fn put_back() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A terminal that has gone away needs no mode.
        let _ = tcsetattr(stdio::stdin(), OptionalActions::Now, &before);
    }
}

/// For programs whose panics do not unwind, and for the panic's own message.
fn put_back_on_panic() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        put_back();
        next(info);
    }));
}
