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

/// How a cure begins that is a choice of several, separated by semicolons.
const ANY_ONE: &str = "Any one of these: ";

/// A cure as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cure<'a> {
    One(&'a str),
    AnyOf(Vec<&'a str>),
}

impl Finding {
    /// What to do about it, taken apart where there is a choice.
    pub(crate) fn cure(&self) -> Option<Cure<'_>> {
        let cure = self.cure.as_deref()?;
        let ways = cure.strip_prefix(ANY_ONE).map(|ways| ways.trim_end_matches('.').split("; ").collect());
        Some(ways.map_or(Cure::One(cure), Cure::AnyOf))
    }
}

/// A cure that is a choice.
pub(super) fn any_of(ways: &[String]) -> String {
    format!("{ANY_ONE}{}.", ways.join("; "))
}
