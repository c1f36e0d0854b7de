//! What is wrong with a guest, or worth knowing: what happened, why, what to do.
//!
//! `rules` find them, the term and JSON output and the pictures show them.

use serde::Serialize;

/// Whether something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is wrong, or has gone wrong.
    Problem,
    /// Worth knowing; nothing is wrong.
    Note,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// What happened, in one line.
    pub title: String,
    /// Why, in a few sentences.
    pub detail: String,
    /// What to do about it; of several any one is enough, and none is known where there is none.
    pub cures: Vec<String>,
    /// Index of the scene.
    pub guest: usize,
}
