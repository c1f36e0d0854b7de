//! What one side tells of one boot: rows, marks, counts, and what went wrong.
//!
//! An account is bounded, whatever the log holds: a log of 200 MB takes no more memory than one of 20 lines. `reader`
//! opens and fills accounts, `join` brings those of the same guest together.

use super::{
    fact::{Event, Fact, Missing, Moved, Teller},
    speaker::Stream,
    text::clip,
    told::{Counts, Mark, Row},
};
use crate::{
    scene::{HIGH, MapRange, PAGE},
    verdict::Outcome,
};

const MOST_ROWS: usize = 32;
const MOST_RANGES: usize = 256;
const MOST_EVENTS: usize = 16;

/// A row as it was told; Xen's have no pfn of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub name: String,
    pub start: u64,
    pub end: u64,
    pub pfn: Option<u64>,
    pub pages: u64,
}

impl Placed {
    fn new(name: String, row: &Row) -> Result<Self, Missing> {
        let bytes = row.end.checked_sub(row.start);
        if bytes.is_none_or(|bytes| Some(bytes) != row.pages.checked_mul(PAGE)) {
            return Err(Missing("expected addresses that are as far apart as the pages say"));
        }
        Ok(Self { name: clip(&name), start: row.start, end: row.end, pfn: Some(row.pfn), pages: row.pages })
    }

    fn of_bytes(name: &str, start: u64, end: u64) -> Result<Self, Missing> {
        let bytes = end.checked_sub(start).filter(|bytes| *bytes > 0);
        let pages = bytes.ok_or(Missing("expected an end behind the start"))?.div_ceil(PAGE);
        let mut placed = Self { name: name.to_owned(), start, end, pfn: None, pages };
        placed.count_from(HIGH);
        Ok(placed)
    }

    /// Xen maps pfn 0 at `base`.
    fn count_from(&mut self, base: u64) {
        self.pfn = (self.start >= base).then(|| (self.start - base) / PAGE);
    }
}

/// What one side tells of one boot.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub teller: Teller,
    pub stream: Stream,
    pub source: usize,
    pub rows: Vec<Placed>,
    pub alloc_end: Option<u64>,
    pub mapped_end: Option<u64>,
    pub tables: Counts,
    pub pages: Option<u64>,
    pub pages_about: Option<u64>,
    pub ramdisk_bytes: Option<u64>,
    pub version: Option<String>,
    pub init_p2m: Option<u64>,
    pub mod_start_pfn: bool,
    pub notes_listed: bool,
    pub map: Vec<MapRange>,
    pub modules: Option<u64>,
    pub moved: Option<Moved>,
    pub record: Option<String>,
    pub events: Vec<Event>,
    pub verdict: Option<Outcome>,
}

impl Account {
    pub(super) fn new(teller: Teller, stream: Stream, source: usize) -> Self {
        Self {
            teller,
            stream,
            source,
            rows: Vec::new(),
            alloc_end: None,
            mapped_end: None,
            tables: Counts::default(),
            pages: None,
            pages_about: None,
            ramdisk_bytes: None,
            version: None,
            init_p2m: None,
            mod_start_pfn: false,
            notes_listed: false,
            map: Vec::new(),
            modules: None,
            moved: None,
            record: None,
            events: Vec::new(),
            verdict: None,
        }
    }

    /// Whether it says anything about memory, or why there is nothing to say.
    pub(super) fn is_usable(&self) -> bool {
        let explained =
            self.record.is_some() && self.verdict.is_some_and(|outcome| outcome != Outcome::Success);
        let tells = !self.rows.is_empty() || !self.events.is_empty() || !self.map.is_empty();
        tells || self.pages.is_some() || explained
    }

    /// Whether a fact cannot belong to the boot told so far.
    pub(super) fn is_ended_by(&self, fact: &Fact) -> bool {
        match fact {
            Fact::BeginRows => !self.rows.is_empty(),
            // A toolstack's notes come long before its rows, Xen's version, map and complaints too.
            Fact::Begin if self.teller.builds() => {
                !self.rows.is_empty() || self.events.iter().any(|event| matches!(event, Event::Refused(_)))
            }
            // Linux may tell its first lines twice, on an early console and on another.
            Fact::Begin if self.teller == Teller::Linux => {
                !self.map.is_empty() || self.events.iter().any(Event::is_end)
            }
            Fact::Begin => self.is_usable() || self.verdict.is_some(),
            Fact::Row(name, row) => self.row(name).is_some_and(|old| old.start != row.start),
            Fact::Range(name, start, _) => self.row(name).is_some_and(|old| old.start != *start),
            _ => false,
        }
    }

    pub(super) fn row(&self, name: &str) -> Option<&Placed> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Takes a fact in.
    pub(super) fn take(&mut self, fact: Fact) -> Result<(), Missing> {
        match fact {
            Fact::Begin | Fact::BeginRows => {}
            Fact::Row(name, row) => self.place(Placed::new(name, &row)?),
            Fact::Range(name, start, end) => self.place(Placed::of_bytes(name, start, end)?),
            Fact::RamdiskBytes(bytes) => self.ramdisk_bytes = Some(bytes),
            Fact::Mark(Mark::AllocEnd, address) => self.alloc_end = Some(address),
            Fact::Mark(Mark::MappedEnd, address) => self.mapped_end = Some(address),
            Fact::Base(base) => self.rows.iter_mut().for_each(|row| row.count_from(base)),
            Fact::Tables(counted) => self.tables.add(counted),
            Fact::Pages(pages) => self.pages = Some(pages),
            Fact::PagesAbout(pages) => self.pages_about = Some(pages),
            Fact::Version(version) => self.version = Some(clip(&version)),
            Fact::InitP2m(address) => self.init_p2m = Some(address),
            Fact::ModStartPfn => self.mod_start_pfn = true,
            Fact::NotesListed => self.notes_listed = true,
            Fact::MapBegins => self.map.clear(),
            Fact::Map(range) => self.map_range(range),
            Fact::Module(start) => self.modules = Some(start.0),
            Fact::Moved(moved) => self.moved = Some(moved),
            Fact::Record(record) => self.record = Some(clip(&record)),
            Fact::Event(event) => self.happen(event),
            Fact::Verdict(outcome) => self.verdict = Some(outcome),
        }
        Ok(())
    }

    fn place(&mut self, row: Placed) {
        match self.rows.iter().position(|old| old.name == row.name) {
            Some(at) => self.rows[at] = row,
            None if self.rows.len() < MOST_ROWS => self.rows.push(row),
            None => {}
        }
    }

    fn map_range(&mut self, range: MapRange) {
        if self.map.len() < MOST_RANGES && !self.map.contains(&range) {
            self.map.push(range);
        }
    }

    fn happen(&mut self, event: Event) {
        if self.events.len() < MOST_EVENTS && !self.events.contains(&event) {
            self.events.push(event);
        }
    }
}

impl Event {
    /// Whether the guest goes no further.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::NoPlace(_) | Self::Died(_) | Self::Crashed(_))
    }
}
