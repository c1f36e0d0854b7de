//! The banner of Xen's own death, and the line before it.
//!
//! ```text
//! (XEN) ELF: not an ELF binary                      the reason
//! (XEN)
//! (XEN) ****************************************
//! (XEN) Panic on CPU 0:
//! (XEN) Could not construct d0                      what it could not do
//! (XEN) ****************************************
//! ```
//!
//! Source: Xen's `drivers/char/console.c`, `panic`. `reader` passes it every line of Xen's that has no other use.

use super::{
    fact::Event,
    keyword::Words,
    text::{clean, clip},
};

pub(super) const BANNER: &str = "Panic on CPU ";
/// Lines after the banner among which its message is: it may begin with an empty one.
const MOST_LINES: u8 = 3;

/// What is remembered of Xen's last lines.
#[derive(Debug, Default)]
pub(super) struct Banner {
    /// The last line that said something, as it was read.
    last: Vec<u8>,
    /// Lines in which the message may still come.
    open: u8,
}

impl Banner {
    /// Whether the banner's message may still come.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Remembers a line of Xen's: it may be the last before a banner.
    pub(super) fn keep(&mut self, line: &[u8]) {
        let said = |byte: &u8| !matches!(byte, b' ' | b'*');
        if line.strip_prefix(b"(XEN)").is_some_and(|text| text.iter().any(said)) {
            self.last.clear();
            self.last.extend_from_slice(line);
        }
    }

    /// Takes a line, and returns what it says of Xen's end. A message that is in the table of known words is read by
    /// its own reader.
    pub(super) fn take(&mut self, line: &str, words: &Words) -> Option<Event> {
        let text = message(line);
        if text.contains(BANNER) {
            self.open = MOST_LINES;
            let last = std::mem::take(&mut self.last);
            let text = clean(&last);
            let text = message(&text);
            let is_news = !text.is_empty() && !text.starts_with("***") && !words.any(&last);
            return is_news.then(|| Event::BeforePanic(clip(text)));
        }
        self.open = self.open.checked_sub(1)?;
        if text.is_empty() || text.starts_with("***") {
            return None;
        }
        self.open = 0;
        (!words.any(text.as_bytes())).then(|| Event::Panicked(clip(text)))
    }
}

/// Xen's text without what stands before it.
fn message(line: &str) -> &str {
    let text = line.split_once("(XEN)").map_or(line, |(_, text)| text).trim();
    // `console_timestamps` puts a time in brackets.
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((time, text)) if time.contains(['.', ':']) => text.trim(),
        _ => text,
    }
}
