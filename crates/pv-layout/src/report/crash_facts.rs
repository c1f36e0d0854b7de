//! What Xen says of a domain's crash: the parts, a line each, and what they come to.
//!
//! `crash` and `refused_by_xen` read the lines, a record gathers them, `rules::crash` says what they mean.

/// Lines before a crash that are kept.
const MOST_REASONS: usize = 6;

/// Which machine the crashed code believed to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Pv,
    Hvm,
}

/// A part of Xen's report of a crash, with the domain if the line names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub domain: Option<u32>,
    pub what: What,
}

/// What one line of it says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// Something that Xen refused.
    Reason(String),
    Unhandled(Trap),
    /// A trap that the domain did not take, of which the number is missing.
    Dying,
    Walk(u64),
    Entry(Entry),
    /// The line of Xen's source that ended the domain; it comes before the domain is named.
    CalledFrom(String),
    Happened,
    Xen(String),
    Rip(u64),
    Context(Context),
    Cr2(u64),
    /// The initial domain's end, which is the machine's, in Xen's words.
    Ended(String),
    Watchdog,
}

/// A trap that a guest did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trap {
    pub vector: u8,
    pub error: Option<u32>,
}

/// An entry that the walk of the page tables came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub level: u8,
    pub index: u64,
    pub value: u64,
}

/// One crash, as far as the log has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Crash {
    pub domain: u32,
    pub reasons: Vec<String>,
    pub trap: Option<Trap>,
    pub walked: Option<u64>,
    pub entries: Vec<Entry>,
    pub called_from: Option<String>,
    pub dying: bool,
    pub happened: bool,
    pub xen: Option<String>,
    pub rip: Option<u64>,
    pub context: Option<Context>,
    pub cr2: Option<u64>,
    pub ended: Option<String>,
    pub watchdog: bool,
}

impl Crash {
    /// Whether the domain ended; else Xen only refused something.
    pub(super) fn is_death(&self) -> bool {
        let crashing = |reason: &String| reason.ends_with("Crashing");
        self.trap.is_some()
            || self.dying
            || self.happened
            || self.ended.is_some()
            || self.watchdog
            || self.reasons.iter().any(crashing)
    }

    /// Whether a line begins another crash of the domain.
    pub(super) fn is_ended_by(&self, seen: &Seen) -> bool {
        match seen.what {
            What::Unhandled(_) | What::Dying | What::Happened => self.happened,
            What::Ended(_) => self.ended.is_some(),
            _ => false,
        }
    }

    /// The faulting address: what was walked for it, else the register.
    pub(super) fn address(&self) -> Option<u64> {
        let faulted = self.trap.is_none_or(|trap| trap.vector == 14);
        self.walked.or(self.cr2.filter(|at| *at != 0 && faulted && self.trap.is_some()))
    }

    /// Takes a line in; what is known already stays.
    pub(super) fn take(&mut self, seen: Seen) {
        self.domain = seen.domain.unwrap_or(self.domain);
        let complete = self.happened;
        match seen.what {
            What::Reason(text) if self.reasons.len() < MOST_REASONS && !self.reasons.contains(&text) => {
                self.reasons.push(text);
            }
            What::Reason(_) => {}
            What::Unhandled(trap) => self.trap = self.trap.or(Some(trap)),
            What::Dying => self.dying = true,
            What::Walk(at) if !complete => self.walked = self.walked.or(Some(at)),
            What::Entry(entry) if !complete && self.entries.iter().all(|old| old.level > entry.level) => {
                self.entries.push(entry);
            }
            What::Walk(_) | What::Entry(_) => {}
            What::CalledFrom(place) => self.called_from = Some(place),
            What::Happened => self.happened = true,
            What::Xen(version) => self.xen = self.xen.take().or(Some(version)),
            What::Rip(at) => self.rip = self.rip.or(Some(at)),
            What::Context(context) => self.context = self.context.or(Some(context)),
            What::Cr2(at) => self.cr2 = self.cr2.or(Some(at)),
            What::Ended(text) => self.ended = Some(text),
            What::Watchdog => self.watchdog = true,
        }
    }
}
