//! Joins the records of one guest: its builder's and its own.
//!
//! A guest that prints its rows belongs to the builder that printed the same kernel and the same P2M. A Linux guest
//! prints no rows; it belongs to the builder before it in its stream, or to the only one there is.

use super::{
    fact::{Side, Writer},
    record::Record,
    speaker::Stream,
};
use crate::predict::domain::Builder;

/// A guest, by all that the logs say of it. At least one side is there.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub builder: Option<Record>,
    pub inside: Option<Record>,
    /// What Xen says of its crash.
    pub crash: Option<Record>,
    /// Where its first record stands among all.
    place: usize,
}

impl Guest {
    fn new(place: usize) -> Self {
        Self { builder: None, inside: None, crash: None, place }
    }

    /// Those that describe its memory: its builder and the guest itself.
    pub(super) fn sides(&self) -> impl Iterator<Item = &Record> {
        self.builder.iter().chain(&self.inside)
    }

    /// All that say something of it.
    pub(super) fn writers(&self) -> impl Iterator<Item = &Record> {
        self.sides().chain(&self.crash)
    }

    /// The first answer of a side, the builder's before the guest's.
    pub(super) fn ask<T>(&self, question: impl Fn(&Record) -> Option<T>) -> Option<T> {
        self.sides().find_map(question)
    }

    /// Whether it is the initial domain.
    pub(super) fn is_initial(&self) -> bool {
        let built = |side: &Record| side.writer == Writer::Xen && side.stream == Stream::Host;
        match (&self.builder, &self.crash) {
            (Some(builder), _) => built(builder),
            (None, Some(crash)) => crash.stream == Stream::Domain(0),
            (None, None) => false,
        }
    }

    /// Who built it, if the log says so: by the guest's own line, or because Xen lists rings, which it makes only in
    /// pv-shim.
    pub(super) fn built_by(&self) -> Option<Builder> {
        let in_shim = |side: &&Record| side.writer == Writer::Xen && side.row("xenstore").is_some();
        let own = self.inside.as_ref().and_then(|side| side.built_by);
        own.or_else(|| self.builder.as_ref().filter(in_shim).map(|_| Builder::Shim))
    }

    /// The number of its domain, if a line names it.
    pub(super) fn domain(&self) -> Option<u32> {
        let known = self.builder.as_ref().and_then(|side| side.domain);
        known.or_else(|| {
            self.writers().find_map(|side| match side.stream {
                Stream::Domain(domain) => Some(domain),
                Stream::Host => None,
            })
        })
    }
}

/// Makes guests of records, in the order of their first lines. What says nothing of use by itself, such as a version,
/// may still go with a builder that has found no better match.
pub(super) fn guests(records: Vec<Record>) -> Vec<Guest> {
    let mut guests = Vec::new();
    let (mut insides, mut crashes) = (Vec::new(), Vec::new());
    for (place, record) in records.into_iter().enumerate() {
        match record.writer.side() {
            Side::Builder => guests.push(Guest { builder: Some(record), ..Guest::new(place) }),
            Side::Inside => insides.push((place, record)),
            Side::Crash => crashes.push((place, record)),
        }
    }
    insides.sort_by_key(|(place, record)| (!record.is_usable(), *place));
    for (place, record) in insides {
        match partner(&guests, place, &record) {
            Some(at) => {
                guests[at].place = guests[at].place.min(place);
                guests[at].inside = Some(record);
            }
            None => guests.push(Guest { inside: Some(record), ..Guest::new(place) }),
        }
    }
    for (place, record) in crashes {
        match crashed(&guests, place, &record) {
            Some(at) => guests[at].crash = Some(record),
            None => guests.push(Guest { crash: Some(record), ..Guest::new(place) }),
        }
    }
    guests.retain(|guest| guest.writers().any(Record::is_usable));
    guests.sort_by_key(|guest| guest.place);
    guests
}

/// The guest that Xen says has crashed: the last before that with the number of its domain. The initial domain has
/// number 0 and no number in its lines.
fn crashed(guests: &[Guest], place: usize, crash: &Record) -> Option<usize> {
    let is_it = |guest: &Guest| match crash.stream {
        Stream::Domain(0) => {
            let linux = |side: &Record| side.stream == Stream::Host && side.source == crash.source;
            guest.is_initial() || guest.builder.is_none() && guest.inside.as_ref().is_some_and(linux)
        }
        _ => guest.domain().is_some_and(|domain| crash.stream == Stream::Domain(domain)),
    };
    let before =
        |guest: &Guest| guest.crash.is_none() && guest.sides().next().is_some() && guest.place < place;
    let found = guests.iter().enumerate().filter(|(_, guest)| before(guest) && is_it(guest));
    found.max_by_key(|(_, guest)| guest.place).map(|(at, _)| at)
}

/// The guest whose builder's record goes with a guest's own.
fn partner(guests: &[Guest], place: usize, inside: &Record) -> Option<usize> {
    let free = |at: &usize| guests[*at].inside.is_none();
    let builder = |at: &usize| guests[*at].builder.as_ref();
    let mut fitting: Vec<_> = (0..guests.len())
        .filter(free)
        .filter(|at| builder(at).is_some_and(|side| may_have_built(side, inside)))
        .collect();
    fitting.sort_by_key(|at| (guests[*at].place > place, guests[*at].place.abs_diff(place)));
    if inside.row("kernel").is_some() {
        return fitting.first().copied();
    }
    let near = |at: &usize| {
        let same = |side: &Record| (side.source, side.stream) == (inside.source, inside.stream);
        guests[*at].place < place && builder(at).is_some_and(same)
    };
    let nearest = fitting.iter().copied().find(near);
    nearest.or(match *fitting {
        [only] => Some(only),
        _ => None,
    })
}

fn may_have_built(builder: &Record, inside: &Record) -> bool {
    let agrees = |name| match (builder.row(name), inside.row(name)) {
        (Some(said), Some(found)) => (said.start, said.pages) == (found.start, found.pages),
        _ => true,
    };
    let streams = match builder.writer {
        Writer::Xen | Writer::Grub => builder.stream == inside.stream,
        _ => true,
    };
    let sizes = builder
        .pages
        .zip(inside.pages)
        .is_none_or(|(said, found)| said == found || builder.writer == Writer::Xen);
    streams && sizes && agrees("kernel") && agrees("phys2mach")
}
