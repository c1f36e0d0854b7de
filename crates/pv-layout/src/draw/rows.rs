//! Rows and addresses in words: for the blocks of a picture, its titles, and the table below it.

use super::{columns::Column, stripes::Cuts};
use crate::{
    scene::{DIRECT, Kind, PAGE, Row},
    sizes::Size,
};

/// The short word for a row.
pub(super) fn short(row: &Row) -> &str {
    match row.kind {
        Kind::P2m => "P2M",
        Kind::StartInfo => "start info",
        Kind::PageTables => "page tables",
        Kind::BootStack => "boot stack",
        _ => &row.name,
    }
}

/// A row in one sentence.
pub(super) fn told(row: &Row) -> String {
    let size = Size::of_pages(row.pages);
    let pages = row.pfn.map_or_else(
        || format!("{:#x} pages, {size}", row.pages),
        |pfn| format!("pfn {pfn:#x} + {:#x} pages, {size}", row.pages),
    );
    match row.address.zip(row.end()) {
        Some((start, end)) => format!("{}: {start:#018x} -> {end:#018x}, {pages}", row.name),
        None => format!("{}: not mapped, {pages}", row.name),
    }
}

/// The address that a column shows a page at; pages are told by their number.
///
/// None behind the last address.
pub(super) fn address(cuts: &Cuts<'_>, column: Column, pfn: u64) -> Option<String> {
    let base = match column {
        Column::Pages => return Some(format!("pfn {pfn:#x}")),
        Column::HighBefore | Column::HighAfter => cuts.base,
        Column::DirectBefore | Column::DirectAfter => DIRECT,
    };
    let address = base.checked_add(pfn.checked_mul(PAGE)?)?;
    Some(format!("{address:#018x}"))
}
