//! What some logs amount to: guests, findings, and a verdict in one word.

use super::{
    finding::{Finding, Severity},
    reading::Reading,
};
use crate::scene::Scene;

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
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Unreadable => 4,
            Self::Problem => 5,
        }
    }
}

impl Report {
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
