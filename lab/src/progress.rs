//! What the command says while it works: a spinner on a terminal, one line for each step that took seconds.
//!
//! Everything goes to standard error; standard output belongs to the guest's console.

use indicatif::{ProgressBar, ProgressStyle};
use pv_layout::{note, say};
use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// A step is worth a line of its own from here on.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

/// Whether steps are shown while they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Voice {
    #[default]
    Aloud,
    Silent,
}

/// The command's progress, with the times of its steps for the closing line.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    voice: Voice,
    times: RefCell<Vec<(String, Duration)>>,
}

impl Progress {
    /// One that prints nothing: for steps beside those of others, when two spinners would draw over each other.
    pub(crate) fn silent() -> Self {
        Self { voice: Voice::Silent, ..Self::default() }
    }

    /// Begins a step: shows a spinner if someone is watching.
    pub(crate) fn step(&self, what: impl Into<String>) -> Step<'_> {
        let what = what.into();
        let spinner = (self.voice == Voice::Aloud && say::is_watched()).then(|| spinner(&what));
        Step { progress: self, what, spinner, start: Instant::now() }
    }

    /// Adds the time of something that was no step of its own.
    pub(crate) fn record(&self, what: &str, time: Duration) {
        self.times.borrow_mut().push((what.to_owned(), time));
    }

    /// The steps so far with their times, in one line.
    pub(crate) fn times(&self) -> String {
        let times = self.times.borrow();
        let parts: Vec<_> =
            times.iter().map(|(what, time)| format!("{what} {:.1} s", time.as_secs_f64())).collect();
        parts.join(", ")
    }
}

/// A step that has begun; dropping it without `done` ends the spinner and records nothing.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    progress: &'a Progress,
    what: String,
    spinner: Option<ProgressBar>,
    start: Instant,
}

impl Step<'_> {
    /// Ends the step well, and returns how long it took.
    pub(crate) fn done(self) -> Duration {
        let time = self.start.elapsed();
        self.clear();
        if time >= WORTH_A_LINE && self.progress.voice == Voice::Aloud {
            note!("{:6.1} s  {}", time.as_secs_f64(), self.what);
        }
        self.progress.record(&self.what, time);
        time
    }

    /// Reports how far the step is, in a line `SPEAKER: TEXT`: the text beside the spinner, or all of it without one.
    pub(crate) fn say(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => {
                let text = line.split_once(": ").map_or(line, |(_, text)| text);
                spinner.set_message(format!("{}: {text}", self.what));
            }
            None if self.progress.voice == Voice::Silent => {}
            None => note!("{line}"),
        }
    }

    /// Shows what the spinner has shown and forgotten, after the step went wrong.
    pub(crate) fn repeat(&self, lines: &[String]) {
        self.clear();
        if self.spinner.is_some() {
            lines.iter().for_each(|line| note!("{line}"));
        }
    }

    fn clear(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

fn spinner(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>6}  {spinner} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style).with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
