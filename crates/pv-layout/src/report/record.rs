//! What one side says of one boot: rows, marks, counts, and what went wrong.
//!
//! A record is bounded, whatever the log holds: a log of 200 MB takes no more memory than one of 20 lines. `reader`
//! opens and fills records, `join` joins those of the same guest.

use super::{
    crash_facts::Crash,
    fact::{Event, Fact, Missing, Moved, Width, Writer},
    layout_line::{Counts, Mark, Row},
    mini_os, refusals,
    speaker::Stream,
    text::clip,
};
use crate::{
    predict::domain::Builder,
    scene::{HIGH, MapRange, PAGE, Run},
    verdict::Outcome,
};
use std::ops::Range;

const MOST_ROWS: usize = 32;
const MOST_RANGES: usize = 256;
const MOST_EVENTS: usize = 24;

/// A row as it was printed; Xen's have no pfn of their own.
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
        if !row.start.is_multiple_of(PAGE) {
            return Err(Missing("expected the address of a page"));
        }
        let bytes = row.end.checked_sub(row.start);
        if bytes.is_none_or(|bytes| Some(bytes) != row.pages.checked_mul(PAGE)) {
            return Err(Missing("expected addresses that are as far apart as the pages say"));
        }
        Ok(Self { name: clip(&name), start: row.start, end: row.end, pfn: Some(row.pfn), pages: row.pages })
    }

    fn of_bytes(name: &str, start: u64, end: u64) -> Result<Self, Missing> {
        let bytes = end.checked_sub(start).filter(|bytes| *bytes > 0);
        let pages = bytes.ok_or(Missing("expected an end after the start"))?.div_ceil(PAGE);
        let mut placed = Self { name: name.to_owned(), start, end, pfn: None, pages };
        placed.count_from(HIGH);
        Ok(placed)
    }

    /// Xen maps pfn 0 at `base`.
    fn count_from(&mut self, base: u64) {
        self.pfn = (self.start >= base).then(|| (self.start - base) / PAGE);
    }
}

/// What one side says of one boot.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub writer: Writer,
    pub stream: Stream,
    pub source: usize,
    pub rows: Vec<Placed>,
    pub alloc_end: Option<u64>,
    pub mapped_end: Option<u64>,
    pub tables: Counts,
    pub built_by: Option<Builder>,
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
    /// Pages mapped after the move.
    pub mapped: Vec<Run>,
    pub domain: Option<u32>,
    pub tool: Option<&'static str>,
    pub width: Option<Width>,
    /// Where the kernel will be in the guest's memory, in bytes.
    pub physical: Option<Range<u64>>,
    pub efi_map: Vec<MapRange>,
    pub memory_limit: Option<u64>,
    pub crash: Option<Crash>,
    /// The address that page 0 would be at, if it is known.
    pub base: Option<u64>,
    /// Mini-OS prints only where these begin.
    tables_at: Option<u64>,
    pub record: Option<String>,
    pub events: Vec<Event>,
    pub verdict: Option<Outcome>,
}

impl Record {
    pub(super) fn new(writer: Writer, stream: Stream, source: usize) -> Self {
        Self {
            writer,
            stream,
            source,
            rows: Vec::new(),
            alloc_end: None,
            mapped_end: None,
            tables: Counts::default(),
            built_by: None,
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
            mapped: Vec::new(),
            domain: None,
            tool: None,
            width: None,
            physical: None,
            efi_map: Vec::new(),
            memory_limit: None,
            crash: None,
            base: None,
            tables_at: None,
            record: None,
            events: Vec::new(),
            verdict: None,
        }
    }

    /// Whether it says anything about memory, or why there is nothing to say.
    pub(super) fn is_usable(&self) -> bool {
        let explained =
            self.record.is_some() && self.verdict.is_some_and(|outcome| outcome != Outcome::Success);
        let has_facts = !self.rows.is_empty() || !self.events.is_empty() || !self.memory_map().is_empty();
        has_facts || self.pages.is_some() || explained || self.crash.is_some()
    }

    /// Whether a fact cannot belong to this boot.
    pub(super) fn is_ended_by(&self, fact: &Fact) -> bool {
        match fact {
            Fact::BeginRows => !self.rows.is_empty(),
            Fact::Domain(domain) => self.domain.is_some_and(|own| own != *domain),
            Fact::Crash(seen) => self.crash.as_ref().is_some_and(|crash| crash.is_ended_by(seen)),
            // After its last message a builder writes about another guest; a cause after its consequences belongs to
            // one too.
            Fact::Event(Event::Refused(text)) => {
                let closed = |event: &Event| matches!(event, Event::Refused(old) if refusals::is_last(old));
                self.events.iter().any(closed) && refusals::is_cause(text)
            }
            // A toolstack's notes come long before its rows, Xen's version, map and complaints too.
            Fact::Begin if self.writer.builds() => {
                !self.rows.is_empty() || self.events.iter().any(|event| matches!(event, Event::Refused(_)))
            }
            // Linux may print its first lines twice, on an early console and on another.
            Fact::Begin if self.writer == Writer::Linux => {
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
            Fact::Base(base) => {
                self.base = Some(base);
                self.rows.iter_mut().for_each(|row| row.count_from(base));
            }
            Fact::Mapped(run) => self.mapped_pages(run),
            Fact::Domain(domain) => self.domain = Some(domain),
            Fact::Tool(tool) => self.tool = Some(tool),
            Fact::Width(width) => self.width = Some(width),
            Fact::Physical(bytes) => self.physical = Some(bytes),
            Fact::EfiMapBegins => self.efi_map.clear(),
            Fact::EfiMap(range) => keep(&mut self.efi_map, MOST_RANGES, range),
            Fact::TablesAt(at) => self.tables_at = Some(at),
            Fact::TablePages(pages) => {
                let tables = self.tables_at.map(|at| mini_os::row(at, pages)).transpose()?;
                tables.map(|row| self.add_row("page tables", &row)).transpose()?;
            }
            Fact::ListAt(at) => {
                let list = self.pages.map(|pages| mini_os::row(at, pages.div_ceil(PAGE / 8))).transpose()?;
                list.map(|row| self.add_row("phys2mach", &row)).transpose()?;
            }
            Fact::MemoryLimit(bytes) => self.memory_limit = Some(bytes),
            Fact::Crash(seen) => self.crash.get_or_insert_default().take(seen),
            Fact::Tables(counted) => self.tables.add(counted),
            Fact::BuiltBy(builder) => self.built_by = Some(builder),
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

    fn add_row(&mut self, name: &str, row: &Row) -> Result<(), Missing> {
        self.place(Placed::new(name.to_owned(), row)?);
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
        keep(&mut self.map, MOST_RANGES, range);
    }

    /// Where the kernel was is of interest if it died there: warnings name their places in the same words.
    fn happen(&mut self, event: Event) {
        let ends = |event: &Event| matches!(event, Event::Died(_) | Event::Stuck(_));
        if matches!(event, Event::DiedIn(_)) && !self.events.iter().any(ends) {
            return;
        }
        keep(&mut self.events, MOST_EVENTS, event);
    }

    /// Neighbours become one run; a guest with more of them than are kept counts as one without a list.
    fn mapped_pages(&mut self, run: Run) {
        let room = self.mapped.len() < MOST_RANGES;
        match self.mapped.last_mut() {
            _ if run.pages() == 0 => {}
            Some(last) if last.end == run.first => last.end = run.end,
            _ if room => self.mapped.push(run),
            _ => {}
        }
    }

    /// The ranges of memory that the side lists: its own map, else EFI's.
    pub(super) fn memory_map(&self) -> &[MapRange] {
        if self.map.is_empty() { &self.efi_map } else { &self.map }
    }
}

/// Adds what is not there yet, as long as there is room.
fn keep<T: PartialEq>(all: &mut Vec<T>, most: usize, new: T) {
    if all.len() < most && !all.contains(&new) {
        all.push(new);
    }
}

impl Event {
    /// Whether the guest goes no further.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::NoPlace(_) | Self::Died(_))
    }
}
