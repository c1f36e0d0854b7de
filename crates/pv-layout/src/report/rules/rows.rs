//! Whether the rows make sense by themselves, and whether builder and guest print the same ones.

use super::Case;
use crate::{
    report::{
        fact::Width,
        finding::Finding,
        picture,
        record::{Placed, Record},
        text,
    },
    scene::{HIGH, Kind, Row, Run},
};

/// Entries of a page of P2M.
const ENTRIES: u64 = 512;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut found = not_pv(case).into_iter().collect::<Vec<_>>();
    found.extend(narrow(case));
    found.extend(overlaps(case));
    found.extend(outside(case));
    found.extend(short_list(case));
    found.extend(uncounted_tables(case));
    found.extend(short_mapping(case));
    found.extend(disagreement(case));
    found
}

fn not_pv(case: &Case<'_>) -> Option<Finding> {
    let builder =
        case.guest.builder.as_ref().filter(|side| side.row("kernel").is_some() && !picture::is_pv(side))?;
    let kernel = builder.row("kernel")?.start;
    let detail = format!(
        "Its kernel is at {kernel:#x}, not in the high mapping, and it got no P2M: HVM, PVH and Arm \
        guests have none, so none of this concerns it."
    );
    Some(case.note("This is not an x86 PV guest".to_owned(), detail, Vec::new()))
}

fn narrow(case: &Case<'_>) -> Option<Finding> {
    let has_list = case.scene.rows.iter().any(|row| row.kind == Kind::P2m);
    let is_narrow = picture::width(case.guest) == Some(Width::Bits32) && has_list;
    let detail =
        "Its P2M has 4 bytes for each page, and its modules have a place of their own below the kernel's. \
        Only a Xen built with CONFIG_PV32 runs it."
            .to_owned();
    is_narrow.then(|| case.note("This is a 32-bit PV kernel".to_owned(), detail, Vec::new()))
}

/// Two rows with a page in common, by their pages.
fn overlaps(case: &Case<'_>) -> Option<Finding> {
    let placed: Vec<_> = case.scene.rows.iter().filter_map(|row| Some((row, span(row)?))).collect();
    let mut pairs =
        placed.iter().enumerate().flat_map(|(at, one)| placed[at + 1..].iter().map(move |two| (one, two)));
    let meet = |one: &Run, two: &Run| one.first < two.end && two.first < one.end;
    let ((one, first), (two, second)) = pairs.find(|((_, one), (_, two))| meet(one, two))?;
    let detail = format!(
        "{} has pages {:#x} to {:#x}, {} has {:#x} to {:#x} (the end is not included).",
        one.name, first.first, first.end, two.name, second.first, second.end
    );
    let title = format!("{} and {} overlap", one.name, two.name);
    Some(case.problem(
        title,
        detail,
        vec!["this is the builder's mistake: tell its developers, with this log".to_owned()],
    ))
}

fn span(row: &Row) -> Option<Run> {
    let first = row.pfn?;
    Some(Run { first, end: first.checked_add(row.pages)? })
}

/// Rows of pages that the guest does not have.
fn outside(case: &Case<'_>) -> Option<Finding> {
    let side = case.guest.sides().find(|side| side.pages.is_some())?;
    let pages = side.pages?;
    let out = case.scene.rows.iter().find(|row| span(row).is_some_and(|run| run.end > pages))?;
    let detail = format!("{} ends at page {:#x}, the guest has {pages:#x} pages.", out.name, span(out)?.end);
    (!case.guest.is_initial())
        .then(|| case.problem(format!("{} lies outside the guest's memory", out.name), detail, Vec::new()))
}

/// A list with fewer entries than pages.
fn short_list(case: &Case<'_>) -> Option<Finding> {
    let pages = case.guest.ask(|side| side.pages)?;
    let list = case.scene.rows.iter().find(|row| row.kind == Kind::P2m)?;
    let narrow = picture::width(case.guest) == Some(Width::Bits32);
    let needed = pages.div_ceil(if narrow { 2 * ENTRIES } else { ENTRIES });
    if list.pages >= needed || case.guest.is_initial() {
        return None;
    }
    let detail = format!(
        "It has {:#x} pages for {pages:#x} pages of the guest, which need {needed:#x}: 8 bytes each.",
        list.pages
    );
    Some(case.problem("The P2M is too short for the guest".to_owned(), detail, Vec::new()))
}

/// Page tables that are counted but have no page, or the other way round. A list with a place of its own has tables of
/// its own, which are counted with the others and lie with the list.
fn uncounted_tables(case: &Case<'_>) -> Option<Finding> {
    let row = case.scene.rows.iter().find(|row| row.kind == Kind::PageTables)?;
    let list = case.scene.rows.iter().find(|row| row.kind == Kind::P2m)?;
    let counts = case.scene.tables.filter(|_| list.address.is_some_and(|start| start >= HIGH))?;
    let counted = counts.0.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let title = "The page tables are not as many as their row has pages".to_owned();
    let detail =
        format!("{counted} are counted (L1 to L4: {:?}), the row has {} pages.", counts.0, row.pages);
    (counted != row.pages).then(|| case.problem(title, detail, Vec::new()))
}

/// A mapping that ends before the rows do.
fn short_mapping(case: &Case<'_>) -> Option<Finding> {
    let (used, mapped) = (case.scene.alloc_end?, case.scene.mapped_end.filter(|end| *end > 0)?);
    let detail = format!("The builder used addresses up to {used:#x} and mapped them up to {mapped:#x}.");
    (used > mapped)
        .then(|| case.problem("The initial mapping ends before the rows do".to_owned(), detail, Vec::new()))
}

/// Rows that both sides print, and differently.
fn disagreement(case: &Case<'_>) -> Option<Finding> {
    let (builder, inside) = (case.guest.builder.as_ref()?, case.guest.inside.as_ref()?);
    let mut differ: Vec<_> = inside.rows.iter().filter_map(|found| row_differs(builder, found)).collect();
    differ.extend((0..4).filter_map(|level| tables_differ(builder, inside, level)));
    if let (Some(said), Some(found)) = (builder.mapped_end, inside.mapped_end)
        && said != found
    {
        differ.push(format!("the mapping ends at {said:#x} for the builder, at {found:#x} for the guest"));
    }
    let title = "Builder and guest tell different layouts".to_owned();
    let cure = "see that both logs are of the same boot; if they are, one of the two is wrong".to_owned();
    (!differ.is_empty()).then(|| case.problem(title, format!("{}.", text::list(&differ)), vec![cure]))
}

fn row_differs(builder: &Record, found: &Placed) -> Option<String> {
    let said = builder.row(&found.name)?;
    // Xen prints exact ends, the guest whole pages.
    let same = (said.start, said.pages) == (found.start, found.pages);
    (!same).then(|| {
        format!(
            "{} is at {:#x} + {:#x} pages for the builder, at {:#x} + {:#x} pages for the guest",
            found.name, said.start, said.pages, found.start, found.pages
        )
    })
}

fn tables_differ(builder: &Record, inside: &Record, level: usize) -> Option<String> {
    let (said, found) = (builder.tables.level(level)?, inside.tables.level(level)?);
    (said != found)
        .then(|| format!("there are {said} L{} tables for the builder, {found} for the guest", level + 1))
}
