//! Compares the guest's idea of its layout with the toolstack's, row by row.
//!
//! `xl -vvv create` says where the domain builder put everything (`xc_dom_alloc_segment`, `xc_dom_alloc_page`), how
//! many page tables of each level it made (`nr_page_tables`, since Xen 4.6 `count_pgtables`, which leaves out the one
//! L4), and where its mapping ends. The guest prints the same rows from what it found by itself. Neither knows of
//! the other, so a row that differs is an error in one of them. Spacing and line prefixes do not count, values do.
//!
//! The lines themselves are read in `report::told`. `suite` compares the logs of each case that ran.

use crate::report::told::{self, Counts, Mark, Row, Told, after, counted, guest_tables, told};
use std::collections::{BTreeMap, BTreeSet};

/// A layout as one side tells it.
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
        let (mut layout, mut counts) = (Self::default(), Counts::default());
        for line in log.lines() {
            if let Some(rest) =
                after(line, &["xc_dom_alloc_segment", "xc_dom_alloc_page", "xc_dom_build_image"])
            {
                layout.add(rest);
            } else if let Some(rest) = after(line, &["nr_page_tables", "count_pgtables"]) {
                counted(rest).into_iter().for_each(|count| counts.add(count));
            }
        }
        layout.tables = [0, 1, 2, 3].map(|level| counts.level(level));
        layout
    }

    /// The guest's layout, from its console.
    pub fn of_guest<S: AsRef<str>>(console: &[S]) -> Self {
        let mut layout = Self::default();
        for line in console.iter().map(AsRef::as_ref) {
            if let Some((_, rest)) = line.split_once("] layout:") {
                layout.add(rest);
            } else if let Some((_, rest)) = line.split_once("] walk: tables:") {
                for told::Counted { level, count, .. } in guest_tables(rest) {
                    layout.tables[level] = Some(count);
                }
            }
        }
        layout
    }

    /// What the two disagree on, one sentence each.
    pub fn differences(toolstack: &Self, guest: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if toolstack.rows.is_empty() {
            found.push("the toolstack's log has no rows: was the guest built with xl -vvv?".to_owned());
        }
        compare("row", &toolstack.rows, &guest.rows, |name| name, Row::to_string, &mut found);
        compare(
            "mark",
            &toolstack.marks,
            &guest.marks,
            |mark| mark.name(),
            |at| format!("{at:#x}"),
            &mut found,
        );
        let (said, seen) = (by_level(toolstack.tables), by_level(guest.tables));
        compare("tables", &said, &seen, |level| level, u64::to_string, &mut found);
        found
    }

    fn add(&mut self, text: &str) {
        match told(text) {
            Some(Told::Row(name, row)) => drop(self.rows.insert(name, row)),
            Some(Told::Mark(mark, address)) => drop(self.marks.insert(mark, address)),
            None => {}
        }
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
    kind: &str,
    toolstack: &BTreeMap<K, V>,
    guest: &BTreeMap<K, V>,
    name: impl Fn(&K) -> &str,
    show: impl Fn(&V) -> String,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<_> = toolstack.keys().chain(guest.keys()).collect();
    for key in keys {
        let sides = (toolstack.get(key), guest.get(key));
        if sides.0 != sides.1 {
            let text = |side: Option<&V>| side.map_or("nothing".to_owned(), &show);
            found.push(format!(
                "{kind} '{}': toolstack {}, guest {}",
                name(key),
                text(sides.0),
                text(sides.1)
            ));
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
