//! The report for programs. docs/report.md has the schema; `format` counts its incompatible changes.
//!
//! Addresses are strings, because JSON's numbers are inexact above 2^53 in most readers; page numbers and counts are
//! numbers. What is not known is null.

use super::{Finding, Report, Verdict, reading::Unusable};
use crate::scene::{After, MapRange, Row, Scene};
use anyhow::{Context, Result};
use serde::Serialize;

const FORMAT: u32 = 2;

/// The report as JSON, indented, with a line end.
pub(super) fn show(report: &Report) -> Result<String> {
    let mut text =
        serde_json::to_string_pretty(&Document::of(report)).context("cannot write the report as JSON")?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    verdict: &'static str,
    guests: Vec<Guest<'a>>,
    findings: &'a [Finding],
    input: Input<'a>,
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        let verdict = match report.verdict() {
            Verdict::Fine => "ok",
            Verdict::Unreadable => "unreadable",
            Verdict::Problem => "problem",
        };
        let guests = report.scenes.iter().map(Guest::of).collect();
        Self { format: FORMAT, verdict, guests, findings: &report.findings, input: Input::of(report) }
    }
}

#[derive(Serialize)]
struct Guest<'a> {
    title: &'a str,
    pages: Option<u64>,
    rows: Vec<JsonRow<'a>>,
    alloc_end: Option<String>,
    mapped_end: Option<String>,
    /// L1 first.
    page_tables: Option<[u64; 4]>,
    /// Nothing if the guest loads no modules there.
    module_area: Option<Range<'a>>,
    memory_map: Vec<Range<'a>>,
    after: &'static str,
}

impl<'a> Guest<'a> {
    fn of(scene: &'a Scene) -> Self {
        let area = scene.area;
        Self {
            title: &scene.title,
            pages: scene.pages,
            rows: scene.rows.iter().map(|row| JsonRow::of(scene, row)).collect(),
            alloc_end: scene.alloc_end.map(hex),
            mapped_end: scene.mapped_end.map(hex),
            page_tables: scene.tables.map(|tables| tables.0),
            module_area: area.exists().then(|| Range {
                start: hex(area.start),
                end: hex(area.end),
                kind: None,
            }),
            memory_map: scene.memory_map.iter().map(Range::of).collect(),
            after: match scene.after {
                After::Unknown => "unknown",
                After::Kept => "kept",
                After::Aliased => "aliased",
                After::Listed => "listed",
                After::Copied(_) => "copied",
            },
        }
    }
}

#[derive(Serialize)]
struct JsonRow<'a> {
    kind: &'static str,
    name: &'a str,
    pfn: Option<u64>,
    pages: u64,
    start: Option<String>,
    end: Option<String>,
    bytes_in_module_area: u64,
}

impl<'a> JsonRow<'a> {
    fn of(scene: &Scene, row: &'a Row) -> Self {
        Self {
            kind: row.kind.key(),
            name: &row.name,
            pfn: row.pfn,
            pages: row.pages,
            start: row.address.map(hex),
            end: row.end().map(hex),
            bytes_in_module_area: row.bytes_in(scene.area),
        }
    }
}

#[derive(Serialize)]
struct Range<'a> {
    start: String,
    end: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

impl<'a> Range<'a> {
    fn of(range: &'a MapRange) -> Self {
        Self { start: hex(range.start), end: hex(range.end), kind: Some(&range.kind) }
    }
}

#[derive(Serialize)]
struct Input<'a> {
    sources: &'a [String],
    bytes: u64,
    lines: u64,
    lines_used: u64,
    lines_unusable: u64,
    unusable: Vec<JsonUnusable<'a>>,
    facts_beyond: u64,
}

impl<'a> Input<'a> {
    fn of(report: &'a Report) -> Self {
        let reading = &report.reading;
        Self {
            sources: &reading.sources,
            bytes: reading.bytes,
            lines: reading.lines,
            lines_used: reading.used,
            lines_unusable: reading.unusable,
            unusable: reading.named.iter().map(JsonUnusable::of).collect(),
            facts_beyond: reading.beyond,
        }
    }
}

#[derive(Serialize)]
struct JsonUnusable<'a> {
    source: usize,
    line: u64,
    why: &'a str,
}

impl<'a> JsonUnusable<'a> {
    fn of(unusable: &'a Unusable) -> Self {
        Self { source: unusable.source, line: unusable.line, why: &unusable.why }
    }
}

fn hex(address: u64) -> String {
    format!("{address:#x}")
}
