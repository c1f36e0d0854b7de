//! A guest's console while it is written: its lines so far, and the last one before it has an end.
//!
//! `session` makes one for each guest, `live` follows it while the guest runs.

use crate::tail::Tail;
use std::path::Path;

/// The console log of one guest.
pub(crate) struct Console<'a> {
    tail: Tail,
    lines: Vec<String>,
    on_line: &'a mut dyn FnMut(&str),
}

impl<'a> Console<'a> {
    /// The log in a guest's folder; `on_line` gets each line when it is complete.
    pub(crate) fn new(folder: &Path, on_line: &'a mut dyn FnMut(&str)) -> Self {
        Self { tail: Tail::new(folder.join("console.log")), lines: Vec::new(), on_line }
    }

    /// Reads what has been written since.
    pub(crate) fn follow(&mut self) {
        for line in self.tail.lines() {
            (self.on_line)(&line);
            self.lines.push(line);
        }
    }

    /// The complete lines that have been read.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What has been read of the line after them: a prompt stays one that has no end.
    pub(crate) fn unfinished(&self) -> String {
        self.tail.unfinished().trim_matches('\r').to_owned()
    }

    /// All lines; the last one need not have an end.
    pub(crate) fn finish(mut self) -> Vec<String> {
        for line in self.tail.finish() {
            (self.on_line)(&line);
            self.lines.push(line);
        }
        self.lines
    }
}
