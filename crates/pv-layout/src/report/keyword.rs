//! The words that make a line worth reading, and who says them.
//!
//! Most lines of a real log say nothing about memory. One automaton finds all words in one pass over a line, wherever
//! they stand: after any prefix (`(XEN)`, `(d1)`, a time, `domainbuilder: detail:`), and after another writer's text
//! if two lines have run into each other. The formats are from Xen 4.1 to 4.20 and Linux 3.0 to 6.12.

use super::fact::Facts;
use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};

pub(super) use super::fact::Writer;

/// A word found in a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit<'a> {
    /// The word itself.
    pub word: &'static str,
    /// The line up to the word.
    pub before: &'a str,
    /// The line after it, up to the next word.
    pub rest: &'a str,
    /// The line after it, up to its end.
    pub tail: &'a str,
    /// The whole line.
    pub line: &'a str,
}

/// Reads a hit's facts.
pub(super) type Reader = fn(&Hit<'_>) -> Facts;

/// A word, who writes it (none: the last writer), and how to read what is around it.
pub(super) type Word = (&'static str, Option<Writer>, Reader);

/// Finds words in lines.
#[derive(Debug)]
pub(super) struct Words {
    automaton: AhoCorasick,
    words: Vec<Word>,
}

impl Words {
    /// Leftmost, and of two words at the same place the one that is named first.
    pub(super) fn new(words: Vec<Word>) -> Result<Self, BuildError> {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::DFA))
            .build(words.iter().map(|(word, ..)| word))?;
        Ok(Self { automaton, words })
    }

    /// Whether a line has any word, which most lines have not.
    pub(super) fn any(&self, line: &[u8]) -> bool {
        self.automaton.is_match(line)
    }

    /// Calls `each` for every word of a line, in order.
    pub(super) fn hits<'a>(&self, line: &'a str, mut each: impl FnMut(Word, Hit<'a>)) {
        let mut found = self.automaton.find_iter(line).peekable();
        while let Some(hit) = found.next() {
            let end = found.peek().map_or(line.len(), aho_corasick::Match::start);
            let word = self.words[hit.pattern().as_usize()];
            let tail = &line[hit.end()..];
            let hit =
                Hit { word: word.0, before: &line[..hit.start()], rest: &line[hit.end()..end], tail, line };
            each(word, hit);
        }
    }
}
