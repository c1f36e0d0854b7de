//! Reads logs line by line into records, and counts what could not be used.
//!
//! ```text
//! input -> lines -> keyword (most lines end here) -> mail -> dialect's reader -> fact -> record of stream and side
//! ```
//!
//! Streams are kept apart (`(d1)` and `(d2)` in one log), and so are the sides in a stream: the builder, the guest,
//! and Xen about a guest that crashed. A boot that begins anew opens a new record. Everything kept is bounded.

use super::{
    banner::{BANNER, Banner},
    crash_facts::{Seen, What},
    dialects,
    fact::{Event, Fact, Missing, Writer},
    keyword::{Hit, Word, Words},
    lines::{self, End},
    mail::{self, Encoding},
    open::Open,
    reading::{MOST_NAMED, Reading, Unusable},
    record::Record,
    speaker::{Stream, stream},
    text::{clean, without_last_number},
};
use anyhow::{Context, Result};
use std::{collections::BTreeMap, io::Read};

/// Records kept; a log with more boots says so.
const MOST_RECORDS: usize = 128;
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
    /// The domain whose crash Xen reported last.
    crashed: Option<u32>,
    /// Where Xen ended a domain that it has not named yet.
    called_from: Option<String>,
}

/// Reads logs.
#[derive(Debug)]
pub(super) struct Reader {
    words: &'static Words,
    records: Vec<Record>,
    open: BTreeMap<Stream, Open>,
    /// No record can be reused, and none can before the input's end: a record is only closed for one that can.
    full: bool,
    before: Before,
    reading: Reading,
}

impl Reader {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            words: dialects::words()?,
            records: Vec::new(),
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

    /// The records and the counts.
    pub(super) fn finish(self) -> (Vec<Record>, Reading) {
        (self.records, self.reading)
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
        let banner = if has_word {
            self.give_up();
            self.read_line(number, text, 1)
        } else {
            self.continue_with(text);
            false
        };
        match in_banner || banner {
            true => self.panic_in(text),
            false => self.before.banner.keep(line),
        }
    }

    /// Reads a line, and keeps it if the next one may have what it lacks. Returns whether it is Xen's banner.
    fn read_line(&mut self, number: u64, text: &str, parts: u8) -> bool {
        let from = stream(text);
        let (mut used, mut unusable, mut banner) = (false, Vec::new(), false);
        let words = self.words;
        words.hits(text, |word, hit| {
            banner |= word.0 == BANNER;
            match self.hit(from, word, &hit) {
                Ok(used_here) => used |= used_here,
                Err(missing) => unusable.push(self.not_used(number, &hit, missing)),
            }
        });
        self.reading.used += u64::from(used);
        if !unusable.is_empty() {
            self.before.wrapped = Some(Wrapped { text: text.to_owned(), line: number, parts, unusable });
        }
        banner
    }

    /// Reads the line before anew if this one, which has no word, is the rest of it. Any other ends the wait for it.
    fn continue_with(&mut self, text: &str) {
        let Some(wrapped) = self.before.wrapped.take() else { return };
        match mail::joined(&wrapped.text, text).filter(|_| wrapped.parts < MOST_PARTS) {
            Some(whole) => {
                self.read_line(wrapped.line, &whole, wrapped.parts + 1);
            }
            None => {
                self.before.wrapped = Some(wrapped);
                self.give_up();
            }
        }
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
            if let Some(record) = self.record(from, Writer::Xen, &Fact::Event(event.clone())) {
                let _ = record.take(Fact::Event(event));
            }
        }
    }

    fn hit(&mut self, from: Stream, (_, by, read): Word, hit: &Hit<'_>) -> Result<bool, Missing> {
        let facts = read(hit)?;
        let used_here = !facts.is_empty();
        for fact in facts {
            let Some((from, fact)) = self.about(from, fact) else { continue };
            let by = by.unwrap_or_else(|| self.speaker(from, hit, &fact));
            let by = if matches!(fact, Fact::Crash(_)) { Writer::Crash } else { by };
            match self.record(from, by, &fact) {
                Some(record) => record.take(fact)?,
                None => self.reading.beyond += 1,
            }
        }
        Ok(used_here)
    }

    /// The stream that a fact is about: Xen reports a domain's crash in its own. Half of such lines name no domain;
    /// they go with the one that was named last, and what comes before any name waits for it.
    fn about(&mut self, from: Stream, fact: Fact) -> Option<(Stream, Fact)> {
        let Fact::Crash(seen) = fact else { return Some((from, fact)) };
        if let What::CalledFrom(place) = seen.what {
            self.before.called_from = Some(place);
            return None;
        }
        self.before.crashed = seen.domain.or(self.before.crashed);
        let domain = self.before.crashed?;
        // A domain with a Xen of its own in it (a shim) names its domains in its own stream.
        let at = if from == Stream::Host { Stream::Domain(domain) } else { from };
        if matches!(seen.what, What::Happened)
            && let Some(place) = self.before.called_from.take()
        {
            let place = Fact::Crash(Seen { domain: Some(domain), what: What::CalledFrom(place) });
            if let Some(record) = self.record(at, Writer::Crash, &Fact::Crash(seen.clone())) {
                let _ = record.take(place);
            }
        }
        Some((at, Fact::Crash(Seen { domain: Some(domain), ..seen })))
    }

    /// The last writer in the stream, if the fact can be from that side: builders read notes, and what goes wrong in a
    /// guest is from the guest.
    fn speaker(&self, from: Stream, hit: &Hit<'_>, fact: &Fact) -> Writer {
        let last = self.open.get(&from).and_then(|open| open.last);
        let builder = last.filter(|last| last.builds());
        match fact {
            Fact::NotesListed | Fact::InitP2m(_) | Fact::ModStartPfn => builder.unwrap_or(Writer::Toolstack),
            Fact::Event(Event::Refused(_)) | Fact::Domain(_) | Fact::Tool(_) => match hit.before {
                before if before.contains("(XEN)") => Writer::Xen,
                before if before.contains("xc: ") => Writer::Toolstack,
                _ => builder.unwrap_or(Writer::Xen),
            },
            Fact::Event(_) => last.filter(|last| !last.builds()).unwrap_or(Writer::Linux),
            _ => last.unwrap_or(Writer::Linux),
        }
    }

    /// The record that a fact belongs to; none if there are too many already.
    fn record(&mut self, from: Stream, by: Writer, fact: &Fact) -> Option<&mut Record> {
        let slot = *self.open.get(&from).copied().unwrap_or_default().slot(by.side());
        let fits = |index: &usize| {
            self.records.get(*index).is_some_and(|old| old.writer == by && !old.is_ended_by(fact))
        };
        let index = match slot.filter(fits) {
            Some(index) => index,
            None => self.start(from, by)?,
        };
        self.open.entry(from).or_default().remember(by, index);
        self.records.get_mut(index)
    }

    fn start(&mut self, from: Stream, by: Writer) -> Option<usize> {
        let index = match self.records.len() {
            room if room < MOST_RECORDS => room,
            _ if self.full => return None,
            _ => self.spare().or_else(|| {
                self.full = true;
                None
            })?,
        };
        let source = self.reading.sources.len().saturating_sub(1);
        let new = Record::new(by, from, source);
        match self.records.get_mut(index) {
            Some(spare) => *spare = new,
            None => self.records.push(new),
        }
        Some(index)
    }

    /// A closed record without use, such as a verdict alone or a known word in ordinary prose.
    fn spare(&self) -> Option<usize> {
        let is_open = |index: usize| self.open.values().any(|open| open.holds(index));
        let is_spare = |(index, record): &(usize, &Record)| !record.is_usable() && !is_open(*index);
        self.records.iter().enumerate().find(is_spare).map(|(index, _)| index)
    }

    fn not_used(&self, line: u64, hit: &Hit<'_>, missing: Missing) -> Unusable {
        let source = self.reading.sources.len().saturating_sub(1);
        Unusable { source, line, why: format!("after '{}': {}", hit.word.trim(), missing.0) }
    }
}
