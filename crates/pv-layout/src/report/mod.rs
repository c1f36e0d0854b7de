//! `revector report`: reads the logs of a PV guest's boot, rebuilds its memory, and says what is wrong.
//!
//! ```text
//! logs -> lines -> mail -> dialects -> toolstack | dom0_builder | refusals | crash     one line at a time
//!                          (keyword)   guest | linux | mini_os            -> fact
//!      -> reader -> record                                              one boot, as one side says it
//!      -> join   -> picture -> scene, rules -> findings                 one guest
//!      -> term | drawn | json                                           for people, for programs
//! ```
//!
//! It is also the only reader of logs for `rows` and `run`, which ask for one side of a boot (`sides`).
//!
//! A guest that dies early leaves a log that a few people can read: a toolstack's list of segments, Xen's block of
//! addresses, half a Linux boot. All of them name the same few rows. docs/report.md describes the output.

mod banner;
mod crash;
mod crash_facts;
mod diagram;
mod dialects;
mod dom0_builder;
mod drawn;
mod fact;
mod fault;
mod guest;
mod join;
mod json;
mod keyword;
pub(crate) mod layout_line;
mod lines;
mod linux;
mod mail;
pub(crate) mod memory;
mod mini_os;
mod open;
mod picture;
mod reader;
mod reading;
mod record;
mod refusals;
mod refused_by_xen;
mod rules;
mod sides;
mod speaker;
mod summary;
mod term;
mod text;
mod toolstack;
mod what_if;

pub use crate::finding::{self, Finding, Severity};
pub use reading::{Reading, Unusable};
pub use refusals::{Message, messages};
pub use sides::scene_of_run;
pub(crate) use sides::{One, memory_map, one_side};
pub use summary::{Report, Verdict};

use anyhow::Result;
use reader::Reader;
use rules::Case;
use std::io::Read;

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text of at most 80 columns; coloured on a terminal.
    Term,
    /// For programs: docs/report.md has the schema.
    Json,
    /// A picture of one guest.
    Svg,
    /// A page that needs nothing else: pictures, findings, tables.
    Html,
}

impl Format {
    /// The report as text; for a terminal with escape sequences, which the caller's stream takes out elsewhere.
    pub fn show(self, report: &Report) -> Result<String> {
        match self {
            Self::Term => Ok(term::show(report)),
            Self::Json => json::show(report),
            Self::Svg => drawn::svg(report),
            Self::Html => Ok(drawn::html(report)),
        }
    }
}

impl Report {
    /// Reads inputs by name, one after the other, and examines what they say. Modules start where the caller knows
    /// that they do, else where a log says, else where they do without KASLR.
    pub fn of<R: Read>(
        inputs: impl IntoIterator<Item = Result<(String, R)>>,
        modules_at: Option<u64>,
    ) -> Result<Self> {
        let mut reader = Reader::new()?;
        for input in inputs {
            let (name, input) = input?;
            reader.read(&name, input)?;
        }
        let (records, reading) = reader.finish();
        let guests = join::guests(records);
        let scenes: Vec<_> = guests.iter().map(|guest| picture::scene(guest, modules_at)).collect();
        let cases = guests.iter().zip(&scenes).enumerate();
        let cases = cases.map(|(index, (guest, scene))| Case { guest, scene, index });
        let findings = cases.flat_map(|case| rules::findings(&case)).collect();
        Ok(Self { scenes, findings, reading })
    }

    /// Reads one log that is in memory.
    pub fn of_bytes(log: &[u8]) -> Result<Self> {
        Self::of([Ok(("log".to_owned(), log))], None)
    }
}
