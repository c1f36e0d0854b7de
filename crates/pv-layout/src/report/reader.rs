//! Reads logs line by line into accounts, and keeps book of what could not be used.
//!
//! ```text
//! input -> lines -> keyword (most lines end here) -> mail -> dialect's reader -> fact -> account of stream and side
//! ```
//!
//! Streams are kept apart (`(d1)` and `(d2)` in one log), and so are the sides in a stream: whoever builds guests, the
//! guest, and Xen about a guest that crashed. A boot that begins anew opens a new account. Everything kept is bounded.

use super::{
    account::Account,
    banner::{BANNER, Banner},
    crash_facts::{Seen, What},
    dialects,
    fact::{Event, Fact, Missing, Teller},
    keyword::{Hit, Word, Words},
    lines::{self, End},
    mail::{self, Encoding},
    open::Open,
    reading::{MOST_NAMED, Reading, Unusable},
    speaker::{Stream, stream},
    text::{clean, without_last_number},
};
use anyhow::{Context, Result};
use std::{collections::BTreeMap, io::Read};

/// Accounts kept; a log with more boots says so.
const MOST_ACCOUNTS: usize = 128;
/// Lines that a row may be wrapped into.
const MOST_PARTS: u8 = 3;

/// A line that lacked something, which the next line may have.
#[derive(Debug)]
struct Wrapped {
    text: String,
    line: u64,
    parts: u8,
    unusable: Vec<Unusable>,
}

/// What is remembered of the lines before, in one input.
#[derive(Debug, Default)]
struct Before {
    encoding: Encoding,
    wrapped: Option<Wrapped>,
    banner: Banner,
    /// The domain that Xen told a crash of last.
    crashed: Option<u32>,
    /// Where Xen ended a domain that it has not named yet.
    called_from: Option<String>,
}

/// Reads logs.
#[derive(Debug)]
pub(super) struct Reader {
    words: &'static Words,
    accounts: Vec<Account>,
    open: BTreeMap<Stream, Open>,
    /// No account is spare, and none becomes so before the input's end: without a spare one none is closed.
    full: bool,
    before: Before,
    reading: Reading,
}

impl Reader {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            words: dialects::words()?,
            accounts: Vec::new(),
            open: BTreeMap::new(),
            full: false,
            before: Before::default(),
            reading: Reading::default(),
        })
    }

    /// Reads one input to its end.
    pub(super) fn read(&mut self, name: &str, input: impl Read) -> Result<()> {
        self.reading.sources.push(name.to_owned());
        self.open.clear();
        self.full = false;
        self.before = Before::default();
        let mut number = 0;
        let bytes = lines::for_each(input, |line, end| {
            number += 1;
            let mut encoding = std::mem::take(&mut self.before.encoding);
            let whole = encoding.whole(line);
            self.before.encoding = encoding;
            if let Some(line) = whole {
                self.line(number, &line, end);
            }
        });
        let rest = self.before.encoding.rest();
        self.line(number, &rest, End::Cut);
        self.give_up();
        self.reading.lines += number;
        self.reading.bytes += bytes.with_context(|| format!("cannot read {name}"))?;
        Ok(())
    }

    /// The accounts and the book.
    pub(super) fn finish(self) -> (Vec<Account>, Reading) {
        (self.accounts, self.reading)
    }

    /// Most lines end here: no word, and nothing before them that they could belong to.
    fn line(&mut self, number: u64, line: &[u8], end: End) {
        let has_word = self.words.any(line);
        let in_banner = self.before.banner.is_open();
        if !has_word && !in_banner && self.before.wrapped.is_none() {
            return self.before.banner.keep(line);
        }
        let mut encoding = std::mem::take(&mut self.before.encoding);
        let text = encoding.plain(clean(line));
        self.before.encoding = encoding;
        let text = match end {
            End::Whole => &*text,
            End::Cut => without_last_number(&text),
        };
        let banner = !self.continues(text, has_word) && has_word && self.told(number, text, 1);
        match in_banner || banner {
            true => self.panic_in(text),
            false => self.before.banner.keep(line),
        }
    }

    /// Reads a line, and keeps it if the next one may have what it lacks. Returns whether it is Xen's banner.
    fn told(&mut self, number: u64, text: &str, parts: u8) -> bool {
        let from = stream(text);
        let (mut used, mut unusable, mut banner) = (false, Vec::new(), false);
        let words = self.words;
        words.hits(text, |word, hit| {
            banner |= word.0 == BANNER;
            match self.hit(from, word, &hit) {
                Ok(told) => used |= told,
                Err(missing) => unusable.push(self.not_used(number, &hit, missing)),
            }
        });
        self.reading.used += u64::from(used);
        if !unusable.is_empty() {
            self.before.wrapped = Some(Wrapped { text: text.to_owned(), line: number, parts, unusable });
        }
        banner
    }

    /// Whether a line is the rest of the one before. A line that is not ends the wait for it.
    fn continues(&mut self, text: &str, has_word: bool) -> bool {
        let Some(wrapped) = self.before.wrapped.take() else { return false };
        let whole = mail::joined(&wrapped.text, text).filter(|_| !has_word && wrapped.parts < MOST_PARTS);
        let Some(whole) = whole else {
            self.before.wrapped = Some(wrapped);
            self.give_up();
            return false;
        };
        self.told(wrapped.line, &whole, wrapped.parts + 1);
        true
    }

    /// The line that was kept is not going to be whole.
    fn give_up(&mut self) {
        for unusable in self.before.wrapped.take().into_iter().flat_map(|wrapped| wrapped.unusable) {
            self.reading.unusable += 1;
            if self.reading.named.len() < MOST_NAMED {
                self.reading.named.push(unusable);
            }
        }
    }

    /// What Xen printed before and in the banner of its own death.
    fn panic_in(&mut self, text: &str) {
        if let Some(event) = self.before.banner.take(text, self.words) {
            let from = stream(text);
            if let Some(account) = self.account(from, Teller::Xen, &Fact::Event(event.clone())) {
                let _ = account.take(Fact::Event(event));
            }
        }
    }

    fn hit(&mut self, from: Stream, (_, by, read): Word, hit: &Hit<'_>) -> Result<bool, Missing> {
        let facts = read(hit)?;
        let told = !facts.is_empty();
        for fact in facts {
            let Some((from, fact)) = self.about(from, fact) else { continue };
            let by = by.unwrap_or_else(|| self.speaker(from, hit, &fact));
            let by = if matches!(fact, Fact::Crash(_)) { Teller::Crash } else { by };
            match self.account(from, by, &fact) {
                Some(account) => account.take(fact)?,
                None => self.reading.beyond += 1,
            }
        }
        Ok(told)
    }

    /// The stream that a fact is about: Xen tells a domain's crash in its own. Half of such lines name no domain; they
    /// go with the one that was named last, and what comes before any name waits for it.
    fn about(&mut self, from: Stream, fact: Fact) -> Option<(Stream, Fact)> {
        let Fact::Crash(seen) = fact else { return Some((from, fact)) };
        if let What::CalledFrom(place) = seen.what {
            self.before.called_from = Some(place);
            return None;
        }
        self.before.crashed = seen.domain.or(self.before.crashed);
        let domain = self.before.crashed?;
        // A domain with a Xen of its own in it (a shim) tells its domains in its own stream.
        let at = if from == Stream::Host { Stream::Domain(domain) } else { from };
        if matches!(seen.what, What::Happened)
            && let Some(place) = self.before.called_from.take()
        {
            let place = Fact::Crash(Seen { domain: Some(domain), what: What::CalledFrom(place) });
            if let Some(account) = self.account(at, Teller::Crash, &Fact::Crash(seen.clone())) {
                let _ = account.take(place);
            }
        }
        Some((at, Fact::Crash(Seen { domain: Some(domain), ..seen })))
    }

    /// Whoever spoke last in the stream, if it can be of that side: notes are read by builders, and what goes wrong in
    /// a guest is the guest's.
    fn speaker(&self, from: Stream, hit: &Hit<'_>, fact: &Fact) -> Teller {
        let last = self.open.get(&from).and_then(|open| open.last);
        let builder = last.filter(|last| last.builds());
        match fact {
            Fact::NotesListed | Fact::InitP2m(_) | Fact::ModStartPfn => builder.unwrap_or(Teller::Toolstack),
            Fact::Event(Event::Refused(_)) | Fact::Domain(_) | Fact::Tool(_) => match hit.before {
                before if before.contains("(XEN)") => Teller::Xen,
                before if before.contains("xc: ") => Teller::Toolstack,
                _ => builder.unwrap_or(Teller::Xen),
            },
            Fact::Event(_) => last.filter(|last| !last.builds()).unwrap_or(Teller::Linux),
            _ => last.unwrap_or(Teller::Linux),
        }
    }

    /// The account that a fact belongs to; nothing if there are too many already.
    fn account(&mut self, from: Stream, by: Teller, fact: &Fact) -> Option<&mut Account> {
        let slot = *self.open.get(&from).copied().unwrap_or_default().slot(by.side());
        let fits = |index: &usize| {
            self.accounts.get(*index).is_some_and(|old| old.teller == by && !old.is_ended_by(fact))
        };
        let index = match slot.filter(fits) {
            Some(index) => index,
            None => self.start(from, by)?,
        };
        self.open.entry(from).or_default().remember(by, index);
        self.accounts.get_mut(index)
    }

    fn start(&mut self, from: Stream, by: Teller) -> Option<usize> {
        let index = match self.accounts.len() {
            room if room < MOST_ACCOUNTS => room,
            _ if self.full => return None,
            _ => self.spare().or_else(|| {
                self.full = true;
                None
            })?,
        };
        let source = self.reading.sources.len().saturating_sub(1);
        let new = Account::new(by, from, source);
        match self.accounts.get_mut(index) {
            Some(spare) => *spare = new,
            None => self.accounts.push(new),
        }
        Some(index)
    }

    /// A closed account that says nothing, such as a verdict alone or a known word in somebody's prose.
    fn spare(&self) -> Option<usize> {
        let is_open = |index: usize| self.open.values().any(|open| open.holds(index));
        let is_spare = |(index, account): &(usize, &Account)| !account.is_usable() && !is_open(*index);
        self.accounts.iter().enumerate().find(is_spare).map(|(index, _)| index)
    }

    fn not_used(&self, line: u64, hit: &Hit<'_>, missing: Missing) -> Unusable {
        let source = self.reading.sources.len().saturating_sub(1);
        Unusable { source, line, why: format!("after '{}': {}", hit.word.trim(), missing.0) }
    }
}
