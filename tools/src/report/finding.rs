//! What is wrong with a guest, or worth knowing, in words.
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
    /// One line.
    pub title: String,
    /// A few sentences.
    pub detail: String,
    /// What to do about it, where that is known.
    pub cure: Option<String>,
    /// Index of the scene.
    pub guest: usize,
}
