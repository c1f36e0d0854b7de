//! Compares the guest's idea of its layout with the toolstack's, row by row.
//!
//! `xl -vvv create` says where the domain builder put everything (`xc_dom_alloc_segment`, `xc_dom_alloc_page`), how
//! many page tables of each level it made (`nr_page_tables`, since Xen 4.6 `count_pgtables`, which leaves out the one
//! L4), and where its mapping ends. The guest prints the same rows from what it found by itself. Neither knows of
//! the other, so a row that differs is an error in one of them. Spacing and line prefixes do not count, values do.
//!
//! A third opinion comes from `predict`, which knows no log at all. `suite` compares all three for each case that ran.

use crate::{
    predict::{self, domain::Plan},
    scene::{HIGH, TableCounts},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

const PAGE_BYTES: u64 = 4096;
/// The toolstack's tables are counted by the address bits that one entry of the table above covers.
const LEVELS: [(&str, &str); 4] = [("/48:", "L4"), ("/39:", "L3"), ("/30:", "L2"), ("/21:", "L1")];
const MARKS: [&str; 2] = ["virt_alloc_end", END];
const END: &str = "virt_pgtab_end";
/// Xen's words for rows of its initial domain, and the toolstack's.
const XENS_WORDS: [(&str, &str); 7] = [
    ("(XEN)  Loaded kernel:", "kernel"),
    ("(XEN)  Init. ramdisk:", "ramdisk"),
    ("(XEN)  Phys-Mach map:", "phys2mach"),
    ("(XEN)  Start info:", "start info"),
    ("(XEN)  Page tables:", "page tables"),
    ("(XEN)  Boot stack:", "boot stack"),
    ("(XEN)  TOTAL:", END),
];

/// One row of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    start: u64,
    end: u64,
    pfn: u64,
    pages: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} -> {:#x} (pfn {:#x} + {:#x} pages)", self.start, self.end, self.pfn, self.pages)
    }
}

/// A layout as one side tells it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Layout {
    rows: BTreeMap<String, Row>,
    marks: BTreeMap<String, u64>,
    tables: BTreeMap<String, u64>,
    /// The toolstack's counts by level and start: it counts again if the tables themselves need another table.
    counted: BTreeMap<(String, String), u64>,
}

impl Layout {
    /// The toolstack's layout, from `xl -vvv create`'s output.
    pub fn of_toolstack(log: &str) -> Self {
        let mut layout = Self::default();
        for line in log.lines() {
            if let Some(rest) =
                after(line, &["xc_dom_alloc_segment", "xc_dom_alloc_page", "xc_dom_build_image"])
            {
                layout.add_fact(rest);
            } else if let Some(rest) = after(line, &["nr_page_tables", "count_pgtables"]) {
                layout.add_toolstack_tables(rest);
            }
        }
        layout.counted.clear();
        // The one L4 goes without saying in newer dialects.
        if !layout.tables.is_empty() {
            layout.tables.entry("L4".to_owned()).or_insert(1);
        }
        layout
    }

    /// The layout that arithmetic predicts; what is not mapped has no row, as in the guest's log.
    pub fn of_plan(plan: &Plan) -> Self {
        let mut layout = Self::default();
        for placed in &plan.rows {
            let Some(start) = placed.address else { continue };
            let end = start.saturating_add(placed.pages.saturating_mul(PAGE_BYTES));
            let row = Row { start, end, pfn: placed.pfn, pages: placed.pages };
            layout.rows.insert(predict::name(placed.kind).to_owned(), row);
        }
        let marks = MARKS.map(str::to_owned).into_iter().zip([plan.alloc_end, plan.mapped_end]);
        layout.marks.extend(marks);
        let levels = LEVELS.iter().rev().map(|(_, level)| (*level).to_owned());
        layout.tables.extend(levels.zip(plan.tables.0));
        layout
    }

    /// The layout of an initial domain, from Xen's log: it tells no pages and no tables, and bytes, not pages.
    pub fn of_xen<S: AsRef<str>>(console: &[S]) -> Self {
        let mut layout = Self::default();
        for line in console.iter().map(AsRef::as_ref) {
            let told = XENS_WORDS.iter().find_map(|(words, name)| Some((*name, line.split_once(words)?.1)));
            let range = told.and_then(|(name, range)| Some((name, parse_xens_range(range)?)));
            match range {
                Some((END, row)) => drop(layout.marks.insert(END.to_owned(), row.end)),
                Some((name, row)) => drop(layout.rows.insert(name.to_owned(), row)),
                None => {}
            }
        }
        layout
    }

    /// Whether the source told nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each row's name, first page, pages and address.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, (u64, u64, u64))> {
        self.rows.iter().map(|(name, row)| (name.as_str(), (row.pfn, row.pages, row.start)))
    }

    /// The addresses behind the boot stack and behind the mapping.
    pub(crate) fn ends(&self) -> [Option<u64>; 2] {
        MARKS.map(|mark| self.marks.get(mark).copied())
    }

    /// The page tables, if all levels are told.
    pub(crate) fn tables(&self) -> Option<TableCounts> {
        let count = |level: &str| self.tables.get(level).copied();
        Some(TableCounts([count("L1")?, count("L2")?, count("L3")?, count("L4")?]))
    }

    /// Leaves only the rows and marks that `other` has too, for a source that does not tell all.
    #[must_use]
    pub fn as_far_as_told_by(mut self, other: &Self) -> Self {
        self.rows.retain(|name, _| other.rows.contains_key(name));
        self.marks.retain(|name, _| other.marks.contains_key(name));
        self.tables.retain(|name, _| other.tables.contains_key(name));
        self
    }

    /// The guest's layout, from its console.
    pub fn of_guest<S: AsRef<str>>(console: &[S]) -> Self {
        let mut layout = Self::default();
        for line in console.iter().map(AsRef::as_ref) {
            if let Some((_, rest)) = line.split_once("] layout:") {
                layout.add_fact(rest);
            } else if let Some((_, rest)) = line.split_once("] walk: tables:") {
                layout.add_guest_tables(rest);
            }
        }
        layout
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
        compare("row", names, &one.rows, &other.rows, Row::to_string, &mut found);
        compare("mark", names, &one.marks, &other.marks, |address| format!("{address:#x}"), &mut found);
        compare("tables", names, &one.tables, &other.tables, u64::to_string, &mut found);
        found
    }

    /// Reads `NAME : 0x... -> 0x... (pfn 0x... + 0x... pages)`, the same for one page, or `MARK : 0x...`.
    fn add_fact(&mut self, text: &str) {
        let Some((name, value)) = text.split_once(':') else {
            return;
        };
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if MARKS.contains(&name.as_str()) {
            self.marks.extend(hex_numbers(value).first().map(|address| (name, *address)));
        } else if value.contains("(pfn ") {
            // Newer toolstacks know a ramdisk as the first of several modules.
            let name = if name == "module0" { "ramdisk".to_owned() } else { name };
            self.rows.extend(parse_row(value).map(|row| (name, row)));
        }
    }

    /// Reads `MASK/BITS: 0x... -> 0x..., N table(s)`; a builder with a P2M of its own place counts in two goes. A count
    /// for the same place takes the place of the one before.
    fn add_toolstack_tables(&mut self, text: &str) {
        let level = LEVELS.iter().find(|(bits, _)| text.contains(bits));
        let count = text.rsplit_once(',').and_then(|(_, count)| count.trim().strip_suffix("table(s)"));
        let count = count.and_then(|count| count.trim().parse::<u64>().ok());
        if let (Some((_, level)), Some(count)) = (level, count) {
            let start = text.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let before = self.counted.insert(((*level).to_owned(), start), count).unwrap_or(0);
            let sum = self.tables.entry((*level).to_owned()).or_insert(0);
            *sum = sum.saturating_sub(before).saturating_add(count);
        }
    }

    /// Reads `L4 1, L3 1, L2 1, L1 276`.
    fn add_guest_tables(&mut self, text: &str) {
        for part in text.split(',') {
            if let Some((level, count)) = part.trim().split_once(' ')
                && let Ok(count) = count.trim().parse()
            {
                self.tables.insert(level.to_owned(), count);
            }
        }
    }
}

/// What follows `FUNCTION :` in a line of the toolstack's log.
fn after<'a>(line: &'a str, functions: &[&str]) -> Option<&'a str> {
    functions.iter().find_map(|function| {
        let (_, rest) = line.split_once(function)?;
        rest.trim_start().strip_prefix(':')
    })
}

fn parse_row(value: &str) -> Option<Row> {
    match *hex_numbers(value) {
        // The toolstack ends a ramdisk at its last byte; rows are whole pages.
        [start, end, pfn, pages] => {
            Some(Row { start, end: end.checked_next_multiple_of(PAGE_BYTES)?, pfn, pages })
        }
        [start, pfn] => Some(Row { start, end: start.checked_add(PAGE_BYTES)?, pfn, pages: 1 }),
        _ => None,
    }
}

/// Reads `ffffffff81000000->ffffffff81e43000`; pages count from the start of the high mapping.
fn parse_xens_range(text: &str) -> Option<Row> {
    let (start, end) = text.trim().split_once("->")?;
    let read = |text: &str| u64::from_str_radix(text.trim(), 16).ok();
    let (start, end) = (read(start)?, read(end)?.checked_next_multiple_of(PAGE_BYTES)?);
    let pages = end.checked_sub(start)? / PAGE_BYTES;
    let pfn = start.checked_sub(HIGH)? / PAGE_BYTES;
    (pages > 0).then_some(Row { start, end, pfn, pages })
}

fn hex_numbers(text: &str) -> Vec<u64> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()).collect()
}

fn compare<V: PartialEq>(
    kind: &str,
    names: [&str; 2],
    one: &BTreeMap<String, V>,
    other: &BTreeMap<String, V>,
    show: impl Fn(&V) -> String,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for name in keys {
        let sides = (one.get(name), other.get(name));
        if sides.0 != sides.1 {
            let text = |side: Option<&V>| side.map_or("nothing".to_owned(), &show);
            let (one, other) = (text(sides.0), text(sides.1));
            found.push(format!("{kind} '{name}': {} {one}, {} {other}", names[0], names[1]));
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
