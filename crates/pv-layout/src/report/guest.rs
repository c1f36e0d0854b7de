//! The dialect of this project's guest; docs/boot-log.md is its grammar.

use super::{
    fact::{Event, Fact, Facts, Missing, Moved, nothing},
    keyword::{Hit, Word, Writer},
    layout_line::{self, LayoutLine, Row, guest_tables, hex_numbers},
};
use crate::{
    predict::domain::Builder,
    scene::{DIRECT, HIGH, PAGE, Run},
    verdict::Outcome,
};

const BY: Option<Writer> = Some(Writer::Revector);
/// Pages below this number are a count; the log's other hexadecimal numbers are addresses.
const MOST_PAGES: u64 = 1 << 40;
/// More pages than the guest's direct map shows: 16 TiB.
const MOST_DIRECT: u64 = 1 << 32;

pub(super) const WORDS: &[Word] = &[
    // The time in front of these may have been taken out, so they stand without its bracket.
    ("layout: ", BY, layout),
    ("] walk: tables: ", BY, tables),
    ("walk: tables: ", BY, tables),
    ("start_info: ", BY, start_info),
    ("revector: ", BY, revector),
    ("] dump: after: ", BY, dumped),
    ("vmalloc: WARNING: ", BY, warning),
    ("*** unexpected exception ", BY, died),
    ("*** panicked at ", BY, died),
    ("*** reading ", BY, died),
    ("*** writing ", BY, died),
    ("*** executing ", BY, died),
    ("Test result: ", BY, verdict),
    ("] entry: ", BY, record),
    ("] options: ", BY, record),
    ("] walk: ", BY, record),
    ("] direct_map: ", BY, record),
    ("] p2m: ", BY, record),
    ("] verify: ", BY, record),
    ("] cleanup: ", BY, record),
    ("] module: ", BY, record),
];

/// What the guest said last explains a verdict that is not SUCCESS.
fn record(hit: &Hit<'_>) -> Facts {
    Ok(vec![Fact::Record(format!("{}{}", hit.word.trim_start_matches("] "), hit.rest))])
}

/// Whether the word is a stage's name and not ordinary prose: only a prefix is in front of it.
fn is_stage(hit: &Hit<'_>) -> bool {
    let before = hit.before.trim_end();
    before.is_empty() || before.ends_with([']', ')'])
}

fn layout(hit: &Hit<'_>) -> Facts {
    if let Some(row) = hit.rest.split_once(": not mapped ").and_then(unmapped) {
        return Ok(vec![Fact::ModStartPfn, Fact::Row("ramdisk".to_owned(), row)]);
    }
    match layout_line::parse(hit.rest) {
        Some(LayoutLine::Row(name, row)) => Ok(vec![Fact::Row(name, without_tables(row))]),
        Some(LayoutLine::Mark(mark, address)) => Ok(vec![Fact::Mark(mark, address)]),
        None if !is_stage(hit) => nothing(),
        None if hit.rest.contains(" : ") => Err(Missing("expected a row as docs/boot-log.md has it")),
        None => record(hit),
    }
}

/// `ramdisk : not mapped  (pfn 0x1400 + 0x2 pages)`, at the address that a toolstack prints for such a row.
fn unmapped((name, value): (&str, &str)) -> Option<Row> {
    let [pfn, pages] = *hex_numbers(value) else { return None };
    let start = HIGH.checked_add(pfn.checked_mul(PAGE)?)?;
    let end = start.checked_add(pages.checked_mul(PAGE)?)?;
    (name.trim() == "ramdisk").then_some(Row { start, end, pfn, pages })
}

/// A list at an address of its own has its page tables among its pages, but not among its addresses.
fn without_tables(row: Row) -> Row {
    let shown = row.end.saturating_sub(row.start) / PAGE;
    if row.start < HIGH && shown < row.pages { Row { pages: shown, ..row } } else { row }
}

fn tables(hit: &Hit<'_>) -> Facts {
    Ok(guest_tables(hit.rest).into_iter().map(Fact::Tables).collect())
}

/// `guest, 0x2000000 pages (131072 MiB)`, or `builder: GRUB, by its console ring before the xenstore ring`
fn start_info(hit: &Hit<'_>) -> Facts {
    if let Some(builder) = hit.rest.strip_prefix("builder: ").and_then(named) {
        return Ok(vec![Fact::BuiltBy(builder)]);
    }
    let about_pages = hit.rest.contains("guest, ") || hit.rest.contains("initial domain, ");
    let pages = hit.rest.split_once(" pages").and_then(|(head, _)| hex_numbers(head).first().copied());
    match pages.filter(|pages| about_pages && *pages < MOST_PAGES) {
        Some(pages) => Ok(vec![Fact::Pages(pages)]),
        None if is_stage(hit) => record(hit),
        None => nothing(),
    }
}

/// The builder before `, by what`. A guest without a mark names none.
fn named(text: &str) -> Option<Builder> {
    let (name, _) = text.split_once(", by ")?;
    Builder::ALL.into_iter().find(|builder| builder.to_string() == name)
}

/// The first line of a boot, or what became of the list.
fn revector(hit: &Hit<'_>) -> Facts {
    let moved = |moved| Ok(vec![Fact::Moved(moved)]);
    match hit.rest {
        text if text.contains(", Environment: ") => {
            let version = text.split(',').next().unwrap_or_default().to_owned();
            Ok(vec![Fact::Begin, Fact::Version(version)])
        }
        text if text.starts_with("leaves moved ") && text.contains("to a new list") => moved(Moved::Copied),
        text if text.starts_with("leaves moved ") && text.contains("to the same frames") => {
            moved(Moved::Aliased)
        }
        text if text.starts_with("leaves moved ") && text.contains("published as a list") => {
            moved(Moved::Listed)
        }
        text if text.starts_with("leaves stay at ") => moved(Moved::Listed),
        text if text.starts_with("p2m=keep: ") => moved(Moved::Kept),
        _ if is_stage(hit) => record(hit),
        _ => nothing(),
    }
}

/// `0xffff880000000000-0xffff88000000a000  40K RW NX pte`: pages that the direct map shows after the move.
fn dumped(hit: &Hit<'_>) -> Facts {
    let range = hit.rest.split_whitespace().next().and_then(|range| range.split_once('-'));
    let page = |text: &str| {
        let address = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
        Some(address.checked_sub(DIRECT)? / PAGE).filter(|page| *page < MOST_DIRECT)
    };
    let pages = range.and_then(|(start, end)| page(start).zip(page(end)));
    Ok(pages.map(|(first, end)| Fact::Mapped(Run { first, end })).into_iter().collect())
}

fn warning(hit: &Hit<'_>) -> Facts {
    Ok(vec![Fact::Event(Event::AlreadyMapped(hit.rest.trim().to_owned()))])
}

fn died(hit: &Hit<'_>) -> Facts {
    let text = format!("{}{}", hit.word, hit.rest);
    Ok(vec![Fact::Event(Event::Died(text.trim_start_matches("*** ").trim().to_owned()))])
}

/// The verdict's words are the whole line, after at most a prefix. XTF's guests print them too, which is why a
/// verdict alone says nothing about memory.
fn verdict(hit: &Hit<'_>) -> Facts {
    match Outcome::of_line(&format!("{}{}", hit.word, hit.rest)) {
        Some(outcome) => Ok(vec![Fact::Verdict(outcome)]),
        None => nothing(),
    }
}
