//! Rows as text: for the blocks of a picture, its titles, and the table below it.

use crate::{
    scene::{Kind, Row},
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
pub(super) fn sentence(row: &Row) -> String {
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
