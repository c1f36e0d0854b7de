//! What a rule looks at, and how it says what it has found.

use crate::{
    report::{
        finding::{Finding, Severity},
        join::Guest,
    },
    scene::Scene,
};

/// A guest under examination.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct Case<'a> {
    pub guest: &'a Guest,
    pub scene: &'a Scene,
    /// Index of the scene.
    pub index: usize,
}

impl Case<'_> {
    pub(super) fn problem(&self, title: String, detail: String, cures: Vec<String>) -> Finding {
        Finding { severity: Severity::Problem, title, detail, cures, guest: self.index }
    }

    pub(super) fn note(&self, title: String, detail: String, cures: Vec<String>) -> Finding {
        Finding { severity: Severity::Note, title, detail, cures, guest: self.index }
    }
}
