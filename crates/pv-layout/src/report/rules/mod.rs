//! What can be wrong with a guest: each file knows one kind of it.
//!
//! A rule looks at a scene and at what the two sides say, and returns findings: what is wrong in numbers, why that
//! matters, what would cure it. Rules never look at each other's findings.

mod area;
mod case;
mod conflict;
mod crash;
mod death;
mod events;
mod refused;
mod rows;

pub(super) use case::Case;

use super::finding::Finding;

/// All that is found in one guest, problems first.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let rules = [
        death::look,
        crash::look,
        refused::look,
        conflict::look,
        area::look,
        events::look,
        rows::look,
        area::forecast,
    ];
    let mut found: Vec<_> = rules.iter().flat_map(|rule| rule(case)).collect();
    found.sort_by_key(|finding| finding.severity);
    found
}
