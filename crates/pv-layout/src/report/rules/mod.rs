//! What can be wrong with a guest: each file knows one kind of it.
//!
//! A rule looks at a scene and at what the two sides say, and returns findings: what is wrong in numbers, why that
//! matters, what would cure it. Rules never look at each other's findings.

mod area;
mod conflict;
mod events;
mod rows;

use super::{
    finding::{Finding, Severity},
    join::Guest,
};
use crate::scene::Scene;

/// A guest under examination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub guest: &'a Guest,
    pub scene: &'a Scene,
    /// Index of the scene.
    pub index: usize,
}

impl Case<'_> {
    fn problem(&self, title: String, detail: String, cure: Option<String>) -> Finding {
        Finding { severity: Severity::Problem, title, detail, cure, guest: self.index }
    }

    fn note(&self, title: String, detail: String, cure: Option<String>) -> Finding {
        Finding { severity: Severity::Note, title, detail, cure, guest: self.index }
    }
}

/// All that is found in one guest, problems first.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let rules = [area::look, events::look, conflict::look, rows::look, area::forecast];
    let mut found: Vec<_> = rules.iter().flat_map(|rule| rule(case)).collect();
    found.sort_by_key(|finding| finding.severity);
    found
}
