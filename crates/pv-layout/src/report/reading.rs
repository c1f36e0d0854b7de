//! What `reader` counts: what was read, and what of it could not be used.

/// Unusable lines that are named; the rest is counted.
pub(super) const MOST_NAMED: usize = 8;

/// What was read, and what of it could not be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The inputs' names, in order.
    pub sources: Vec<String>,
    pub bytes: u64,
    pub lines: u64,
    /// Lines that were used.
    pub used: u64,
    /// Lines with a known word and without what should follow it.
    pub unusable: u64,
    /// The first of these.
    pub named: Vec<Unusable>,
    /// Facts of guests beyond the number that is kept.
    pub beyond: u64,
}

/// A line with a known word and without what should follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The input, counted from 0.
    pub source: usize,
    /// The line, counted from 1.
    pub line: u64,
    /// The word and what was expected after it.
    pub why: String,
}
