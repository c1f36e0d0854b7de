//! Compares the guest's idea of its layout with the toolstack's, row by row.
//!
//! `xl -vvv create` says where the domain builder put everything (`xc_dom_alloc_segment`, `xc_dom_alloc_page`), how
//! many page tables of each level it made (`nr_page_tables`, since Xen 4.6 `count_pgtables`, which leaves out the one
//! L4), and where its mapping ends. The guest prints the same rows from what it found by itself. Neither uses
//! the other, so a row that differs is an error in one of them. Spacing and line prefixes do not count, values do.
//!
//! A third opinion comes from `predict`, which reads no log. The logs are read by `report`, like all others.
//! `suite` compares all three for each case that ran.

use crate::{
    predict::domain::Plan,
    report::{
        One,
        layout_line::{Mark, Row},
        one_side,
    },
    scene::{HIGH, PAGE},
};
use std::collections::{BTreeMap, BTreeSet};

/// A layout from one side.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Layout {
    rows: BTreeMap<String, Row>,
    marks: BTreeMap<Mark, u64>,
    /// Page tables by level, L1 first.
    tables: [Option<u64>; 4],
}

impl Layout {
    /// The toolstack's layout, from `xl -vvv create`'s output.
    pub fn of_toolstack(log: &str) -> Self {
        Self::of(&[log], One::Toolstack)
    }

    /// The guest's layout, from its console.
    pub fn of_guest<S: AsRef<str>>(console: &[S]) -> Self {
        Self::of(console, One::Guest)
    }

    fn of<S: AsRef<str>>(log: &[S], side: One) -> Self {
        let mut layout = Self::default();
        for side in one_side(log, side) {
            layout.rows.extend(side.rows);
            layout.marks.extend(side.marks);
            for (level, count) in layout.tables.iter_mut().zip(side.tables) {
                *level = count.or(*level);
            }
        }
        layout
    }

    /// The layout that arithmetic predicts; what is not mapped has the address that a toolstack prints for it.
    pub fn of_plan(plan: &Plan) -> Self {
        let mut layout = Self::default();
        for placed in &plan.rows {
            let high = || HIGH.saturating_add(placed.pfn.saturating_mul(PAGE));
            let start = placed.address.unwrap_or_else(high);
            let end = start.saturating_add(placed.pages.saturating_mul(PAGE));
            let row = Row { start, end, pfn: placed.pfn, pages: placed.pages };
            layout.rows.insert(placed.kind.name().to_owned(), row);
        }
        layout.marks.extend([(Mark::AllocEnd, plan.alloc_end), (Mark::MappedEnd, plan.mapped_end)]);
        layout.tables = plan.tables.0.map(Some);
        layout
    }

    /// The layout of an initial domain, from Xen's log: it has no pfns and no tables, and sizes in bytes.
    pub fn of_xen<S: AsRef<str>>(console: &[S]) -> Self {
        Self::of(console, One::Xen)
    }

    /// Whether the source had nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves only the rows and marks that `other` has too, for a source that does not print all.
    #[must_use]
    pub fn limited_to(mut self, other: &Self) -> Self {
        self.rows.retain(|name, _| other.rows.contains_key(name));
        self.marks.retain(|mark, _| other.marks.contains_key(mark));
        for (own, others) in self.tables.iter_mut().zip(other.tables) {
            *own = own.filter(|_| others.is_some());
        }
        self
    }

    /// What the toolstack and the guest disagree on, one sentence each.
    pub fn differences(toolstack: &Self, guest: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if toolstack.rows.is_empty() {
            found.push("the toolstack's log has no rows: was the guest built with xl -vvv?".to_owned());
        }
        found.extend(Self::differences_of(("toolstack", toolstack), ("guest", guest)));
        found
    }

    /// What any two sides disagree on, one sentence each.
    pub fn differences_of(one: (&str, &Self), other: (&str, &Self)) -> Vec<String> {
        let mut found = Vec::new();
        let names = [one.0, other.0];
        let (one, other) = (one.1, other.1);
        compare(names, ("row", &one.rows, &other.rows), |name| name, Row::to_string, &mut found);
        let address = |at: &u64| format!("{at:#x}");
        compare(names, ("mark", &one.marks, &other.marks), |mark| mark.name(), address, &mut found);
        let (own, others) = (by_level(one.tables), by_level(other.tables));
        compare(names, ("tables", &own, &others), |level| level, u64::to_string, &mut found);
        found
    }
}

fn by_level(tables: [Option<u64>; 4]) -> BTreeMap<&'static str, u64> {
    ["L1", "L2", "L3", "L4"]
        .into_iter()
        .zip(tables)
        .filter_map(|(level, count)| Some((level, count?)))
        .collect()
}

fn compare<K: Ord, V: PartialEq>(
    names: [&str; 2],
    (kind, one, other): (&str, &BTreeMap<K, V>, &BTreeMap<K, V>),
    name: impl Fn(&K) -> &str,
    show: impl Fn(&V) -> String,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for key in keys {
        let sides = (one.get(key), other.get(key));
        if sides.0 != sides.1 {
            let text = |side: Option<&V>| side.map_or("nothing".to_owned(), &show);
            let (one, other) = (text(sides.0), text(sides.1));
            found.push(format!("{kind} '{}': {} {one}, {} {other}", name(key), names[0], names[1]));
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
