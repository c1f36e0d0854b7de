//! `revector report`: reads the logs of a PV guest's birth, rebuilds its memory, and says what is wrong.
//!
//! ```text
//! logs -> lines -> mail -> keyword -> toolstack | dom0_builder | refusals | crash     one line at a time
//!                                     guest | linux | mini_os            -> fact
//!      -> reader -> account                                             one boot, as one side tells it
//!      -> join   -> picture -> scene, rules -> findings                 one guest
//!      -> term | drawn | json                                           for people, for programs
//! ```
//!
//! It is also the only reader of logs for `rows` and `run`, which ask for one side of a boot (`sides`).
//!
//! A guest that dies early leaves a log that a few people can read: a toolstack's list of segments, Xen's block of
//! addresses, half a Linux boot. All of them tell the same few rows. docs/report.md describes the output.

mod account;
mod banner;
mod crash;
mod diagram;
mod dom0_builder;
mod drawn;
mod fact;
mod fault;
mod finding;
mod guest;
mod join;
mod json;
mod keyword;
mod lines;
mod linux;
mod mail;
pub(crate) mod memory;
mod mini_os;
mod picture;
mod reader;
mod reading;
mod refusals;
mod refused_by_xen;
mod rules;
mod sides;
mod speaker;
mod term;
mod text;
pub(crate) mod told;
mod toolstack;
mod verb;
mod what_if;

pub use finding::{Finding, Severity};
pub use reading::{Reading, Unusable};
pub use refusals::{Message, messages};
pub(crate) use sides::{One, memory_map, one_side, scene_of_run};
pub(crate) use verb::{ReportArgs, run};

use crate::scene::Scene;
use anyhow::Result;
use clap::ValueEnum;
use reader::Reader;
use rules::Case;
use std::io::Read;

/// What the logs amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One for each guest, in the order of their first lines.
    pub scenes: Vec<Scene>,
    /// By guest, problems before notes.
    pub findings: Vec<Finding>,
    pub reading: Reading,
}

/// A report in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Fine,
    /// Nothing in the logs says anything about a guest's memory.
    Unreadable,
    /// Something is wrong.
    Problem,
}

impl Verdict {
    /// The exit code, in the order of XTF's verdicts.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Unreadable => 4,
            Self::Problem => 5,
        }
    }
}

/// How a report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
    /// Reads inputs by name, one after the other, and examines what they tell. Modules start where the caller knows
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
        let (accounts, reading) = reader.finish();
        let guests = join::guests(accounts);
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

    /// The report in one word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let problem = self.findings.iter().any(|finding| finding.severity == Severity::Problem);
        match (self.scenes.is_empty(), problem) {
            (true, _) => Verdict::Unreadable,
            (false, true) => Verdict::Problem,
            (false, false) => Verdict::Fine,
        }
    }
}
