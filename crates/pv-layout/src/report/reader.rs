//! Reads logs line by line into accounts, and keeps book of what could not be used.
//!
//! ```text
//! input -> lines -> keyword (most lines end here) -> dialect's reader -> fact -> account of that stream and side
//! ```
//!
//! Streams are kept apart (`(d1)` and `(d2)` in one log), and so are the sides in a stream: whoever builds guests, and
//! the guest. A boot that begins anew opens a new account. Everything kept is bounded.

use super::{
    account::Account,
    dialects,
    fact::{Event, Fact, Missing, Teller},
    keyword::{Hit, Word, Words},
    lines::{self, End},
    speaker::{Stream, stream},
    text::clean,
};
use anyhow::{Context, Result};
use std::{collections::BTreeMap, io::Read};

/// Accounts kept; a log with more boots says so.
const MOST_ACCOUNTS: usize = 128;
/// Unusable lines that are named; the rest is counted.
const MOST_NAMED: usize = 8;

/// What was read, and what of it could not be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The inputs' names, in order.
    pub sources: Vec<String>,
    pub bytes: u64,
    pub lines: u64,
    /// Lines that told something.
    pub used: u64,
    /// Lines with a known word and without what should follow it.
    pub unusable: u64,
    /// The first of these.
    pub named: Vec<Unusable>,
    /// Facts of guests beyond the number that is kept.
    pub beyond: u64,
}

/// A line with a known word and without what should follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The input, counted from 0.
    pub source: usize,
    /// The line, counted from 1.
    pub line: u64,
    /// The word and what was expected behind it.
    pub why: String,
}

/// The accounts that are open in a stream.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    builder: Option<usize>,
    inside: Option<usize>,
    /// Who spoke last.
    last: Option<Teller>,
}

/// Reads logs.
#[derive(Debug)]
pub(super) struct Reader {
    words: &'static Words,
    accounts: Vec<Account>,
    open: BTreeMap<Stream, Open>,
    reading: Reading,
}

impl Reader {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            words: dialects::words()?,
            accounts: Vec::new(),
            open: BTreeMap::new(),
            reading: Reading::default(),
        })
    }

    /// Reads one input to its end.
    pub(super) fn read(&mut self, name: &str, input: impl Read) -> Result<()> {
        self.reading.sources.push(name.to_owned());
        self.open.clear();
        let mut number = 0;
        let bytes = lines::for_each(input, |line, end| {
            number += 1;
            if self.words.any(line) {
                self.line(number, line, end);
            }
        });
        self.reading.lines += number;
        self.reading.bytes += bytes.with_context(|| format!("cannot read {name}"))?;
        Ok(())
    }

    /// The accounts and the book.
    pub(super) fn finish(self) -> (Vec<Account>, Reading) {
        (self.accounts, self.reading)
    }

    fn line(&mut self, number: u64, line: &[u8], end: End) {
        let text = clean(line);
        let text = match end {
            End::Whole => &*text,
            End::Cut => without_last_number(&text),
        };
        let from = stream(text);
        let mut used = false;
        self.words.hits(text, |word, hit| match self.hit(from, word, &hit) {
            Ok(told) => used |= told,
            Err(missing) => self.unusable(number, &hit, missing),
        });
        self.reading.used += u64::from(used);
    }

    fn hit(&mut self, from: Stream, (_, by, read): Word, hit: &Hit<'_>) -> Result<bool, Missing> {
        let facts = read(hit)?;
        let told = !facts.is_empty();
        for fact in facts {
            let from = self.about(from, &fact);
            let by = by.unwrap_or_else(|| self.speaker(from, &fact));
            match self.account(from, by, &fact) {
                Some(account) => account.take(fact)?,
                None => self.reading.beyond += 1,
            }
        }
        Ok(told)
    }

    /// Xen tells a domain's crash on its own account; it belongs to the domain, if that has been heard.
    fn about(&self, from: Stream, fact: &Fact) -> Stream {
        match fact {
            Fact::Event(Event::Crashed(domain)) if self.open.contains_key(&Stream::Domain(*domain)) => {
                Stream::Domain(*domain)
            }
            _ => from,
        }
    }

    /// Whoever spoke last in the stream, if it can be of that side: notes are read by builders, and what goes wrong in
    /// a guest is the guest's.
    fn speaker(&self, from: Stream, fact: &Fact) -> Teller {
        let last = self.open.get(&from).and_then(|open| open.last);
        match fact {
            Fact::NotesListed | Fact::InitP2m(_) | Fact::ModStartPfn => {
                last.filter(|last| last.builds()).unwrap_or(Teller::Toolstack)
            }
            Fact::Event(Event::Crashed(_)) => last.unwrap_or(Teller::Xen),
            Fact::Event(_) => last.filter(|last| !last.builds()).unwrap_or(Teller::Linux),
            _ => last.unwrap_or(Teller::Linux),
        }
    }

    /// The account that a fact belongs to; nothing if there are too many already.
    fn account(&mut self, from: Stream, by: Teller, fact: &Fact) -> Option<&mut Account> {
        let open = self.open.get(&from).copied().unwrap_or_default();
        let slot = if by.builds() { open.builder } else { open.inside };
        let fits = |index: &usize| {
            self.accounts.get(*index).is_some_and(|old| old.teller == by && !old.is_ended_by(fact))
        };
        let index = match slot.filter(fits) {
            Some(index) => index,
            None => self.start(from, by)?,
        };
        self.remember(from, by, index);
        self.accounts.get_mut(index)
    }

    fn start(&mut self, from: Stream, by: Teller) -> Option<usize> {
        let source = self.reading.sources.len().saturating_sub(1);
        let new = Account::new(by, from, source);
        if self.accounts.len() < MOST_ACCOUNTS {
            self.accounts.push(new);
            return Some(self.accounts.len() - 1);
        }
        let index = self.spare()?;
        self.accounts[index] = new;
        Some(index)
    }

    /// A closed account that says nothing, such as a verdict alone or a known word in somebody's prose.
    fn spare(&self) -> Option<usize> {
        let open: Vec<_> =
            self.open.values().flat_map(|open| [open.builder, open.inside]).flatten().collect();
        let is_spare = |(index, account): &(usize, &Account)| !account.is_usable() && !open.contains(index);
        self.accounts.iter().enumerate().find(is_spare).map(|(index, _)| index)
    }

    fn remember(&mut self, from: Stream, by: Teller, index: usize) {
        let open = self.open.entry(from).or_default();
        open.last = Some(by);
        if !by.builds() {
            open.inside = Some(index);
        } else if open.builder != Some(index) {
            // Another guest is being built: what comes next from inside is not the one before.
            *open = Open { builder: Some(index), inside: None, last: Some(by) };
        }
    }

    fn unusable(&mut self, line: u64, hit: &Hit<'_>, missing: Missing) {
        self.reading.unusable += 1;
        if self.reading.named.len() < MOST_NAMED {
            let source = self.reading.sources.len().saturating_sub(1);
            let why = format!("behind '{}': {}", hit.word.trim(), missing.0);
            self.reading.named.push(Unusable { source, line, why });
        }
    }
}

/// A line without its end may have lost digits of its last number, and a shorter number is a wrong one.
fn without_last_number(line: &str) -> &str {
    let start = line.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
    let last = line.get(start..).unwrap_or_default();
    if last.contains(|c: char| c.is_ascii_digit()) { &line[..start] } else { line }
}
