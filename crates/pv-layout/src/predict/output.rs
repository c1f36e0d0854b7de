//! A predicted layout as text: the builder's own log, then a table of sizes, then what it means; and as JSON.
//!
//! The first part is line by line what `xl -vvv create` prints (the dialect of Xen 4.1, which the project's report is
//! in), or what Xen prints for its initial domain and in pv-shim, so that diff compares it with a log. GRUB prints
//! nothing; for it these are the rows of this project's guest (docs/boot-log.md). `mod` calls it.

use super::{
    Collision, collision,
    domain::{Builder, Domain, Placed, Plan},
};
use crate::{
    scene::{Kind, PAGE, Row, Scene, TableCounts},
    sizes::Size,
};
use anyhow::Result;
use serde::Serialize;

/// Bytes of start_info, and of the description of the screen that the initial domain has after it, as Xen 4.14 to 4.20
/// print them.
const START_INFO_BYTES: u64 = 0x490;
const SCREEN_BYTES: u64 = 0x28;
/// What a person can do about a collision.
pub(super) const CURES: [&str; 3] =
    ["a kernel that moves its P2M", "the notes INIT_P2M and MOD_START_PFN", "a smaller ramdisk"];
/// Levels from the top, with the address bits that one table of theirs covers.
const LEVELS: [(usize, u32); 4] = [(3, 48), (2, 39), (1, 30), (0, 21)];

/// Everything, for a terminal.
#[must_use]
pub fn text(domain: &Domain, plan: &Plan, scene: &Scene) -> String {
    let log = match domain.builder {
        Builder::Toolstack => toolstack(domain, plan),
        Builder::Xen | Builder::Shim => xen(domain, plan),
        Builder::Grub => guest(plan),
    };
    let who = match domain.builder {
        Builder::Toolstack => "the toolstack builds it",
        Builder::Xen => "Xen builds its initial domain",
        Builder::Shim => "pv-shim builds its guest",
        Builder::Grub => "GRUB builds it",
    };
    let memory = Size::of_pages(domain.pages);
    format!(
        "# {memory} ({:#x} pages, {} bytes), as {who}\n{log}\n{}\n{}",
        domain.pages,
        memory.0,
        table(scene),
        verdict(scene)
    )
}

/// The toolstack's log. It prints addresses even for pages that it does not map.
fn toolstack(domain: &Domain, plan: &Plan) -> String {
    let base = domain.kernel.base;
    let at = |pfn: u64| base.wrapping_add(pfn.wrapping_mul(PAGE));
    let mut out = String::new();
    for row in &plan.rows {
        let (name, start) = (row.kind.name(), at(row.pfn));
        if row.kind == Kind::PageTables {
            out += &counted(base, plan);
        }
        out += &if row.pages == 1 && is_single(row.kind) {
            format!("xc_dom_alloc_page   :   {name:12} : {start:#x} (pfn {:#x})\n", row.pfn)
        } else {
            let pages = printed_pages(row, plan);
            let end = at(row.pfn.saturating_add(pages));
            format!(
                "xc_dom_alloc_segment:   {name:12} : {start:#x} -> {end:#x}  (pfn {:#x} + {pages:#x} pages)\n",
                row.pfn
            )
        };
        if row.kind == Kind::BootStack {
            out += &format!("xc_dom_build_image  : virt_alloc_end : {:#x}\n", plan.alloc_end);
            out += &format!("xc_dom_build_image  : virt_pgtab_end : {:#x}\n", plan.mapped_end);
        }
    }
    out
}

/// The toolstack counts the tables that map a list of its own place as part of it.
fn printed_pages(row: &Placed, plan: &Plan) -> u64 {
    let tables = plan.list_tables.filter(|_| row.kind == Kind::P2m);
    row.pages + tables.map_or(0, |TableCounts(counts)| counts.iter().sum())
}

const fn is_single(kind: Kind) -> bool {
    matches!(kind, Kind::StartInfo | Kind::Xenstore | Kind::Console | Kind::BootStack)
}

/// The lines on page tables: all addresses that the tables of a level could map.
fn counted(base: u64, plan: &Plan) -> String {
    let line = |(level, bits): (usize, u32)| {
        let mask = (1_u64 << bits) - 1;
        let end = plan.mapped_end.wrapping_sub(1) | mask;
        let count = plan.tables.0[level];
        format!(
            "nr_page_tables: {mask:#018x}/{bits}: {:#018x} -> {end:#018x}, {count} table(s)\n",
            base & !mask
        )
    };
    LEVELS.map(line).concat()
}

/// Xen's log. A ramdisk ends at its last byte; one that is not mapped has no line.
fn xen(domain: &Domain, plan: &Plan) -> String {
    let mut out = String::from("VIRTUAL MEMORY ARRANGEMENT:\n");
    for row in &plan.rows {
        let Some(start) = row.address else { continue };
        let bytes = match row.kind {
            Kind::StartInfo if domain.builder == Builder::Xen => START_INFO_BYTES + SCREEN_BYTES,
            Kind::StartInfo => START_INFO_BYTES,
            Kind::Ramdisk => domain.ramdisk.unwrap_or(0),
            Kind::P2m => domain.pages.saturating_mul(8),
            _ => row.pages * PAGE,
        };
        let name = row.kind.xens_name().unwrap_or_default();
        out += &format!(" {name:15}{start:016x}->{:016x}\n", start + bytes);
    }
    out + &format!(" {:15}{:016x}->{:016x}\n", "TOTAL:", domain.kernel.base, plan.mapped_end)
}

/// The guest's rows, by page. A list with a mapping of its own has its page tables among its pages.
fn guest(plan: &Plan) -> String {
    let mut rows: Vec<_> = plan.rows.iter().collect();
    rows.sort_by_key(|row| row.pfn);
    let mut out = String::new();
    for row in rows {
        let (name, pfn, pages) = (row.kind.name(), row.pfn, printed_pages(row, plan));
        out += &match row.address {
            None => format!("layout: {name:<13}: not mapped  (pfn {pfn:#x} + {pages:#x} pages)\n"),
            Some(at) if is_single(row.kind) => format!("layout: {name:<13}: {at:#018x}  (pfn {pfn:#x})\n"),
            Some(at) => {
                let end = at.saturating_add(row.pages.saturating_mul(PAGE));
                format!("layout: {name:<13}: {at:#018x} -> {end:#018x}  (pfn {pfn:#x} + {pages:#x} pages)\n")
            }
        };
    }
    out += &format!("layout: {:<13}: {:#018x}\n", "virt_alloc_end", plan.alloc_end);
    out += &format!("layout: {:<13}: {:#018x}\n", "virt_pgtab_end", plan.mapped_end);
    out
}

fn helps() -> String {
    let [moves, notes, smaller] = CURES;
    format!("{moves}, {notes}, or {smaller}")
}

/// Sizes, and what of each row is in the way.
fn table(scene: &Scene) -> String {
    let mut out = format!(
        "{:12} {:>10} {:>15} {:>11} {:>11}   {}\n",
        "row", "pages", "bytes", "KiB", "size", "in the module area"
    );
    for row in &scene.rows {
        let size = Size::of_pages(row.pages);
        let inside = match (row.address, row.bytes_in(scene.area)) {
            (None, _) => "not mapped".to_owned(),
            (_, 0) => "-".to_owned(),
            (_, bytes) => Size(bytes).to_string(),
        };
        let pages = format!("{:#x}", row.pages);
        out += &format!(
            "{:12} {pages:>10} {:>15} {:>11} {size:>11}   {inside}\n",
            row.name,
            size.0,
            size.0 >> 10
        );
    }
    out
}

/// What it means, and what helps.
fn verdict(scene: &Scene) -> String {
    let start = scene.area.start;
    match collision(scene) {
        Collision { p2m: 0, others: 0 } => {
            format!("Nothing lies in the module area, which starts at {start:#x}.\n")
        }
        Collision { p2m, others } => format!(
            "{} of the P2M and {} of other rows lie in the module area, which starts at {start:#x}: a kernel that \
             leaves them there cannot load modules.\n\
             What helps: {}.\n",
            Size(p2m),
            Size(others),
            helps()
        ),
    }
}

#[derive(Serialize)]
struct JsonPlan<'a> {
    builder: &'a str,
    memory_bytes: u64,
    memory_pages: u64,
    rows: Vec<JsonRow<'a>>,
    page_tables: JsonTables,
    page_tables_of_list: Option<JsonTables>,
    alloc_end: String,
    mapped_end: String,
    module_area_start: String,
    p2m_bytes_in_module_area: u64,
    other_bytes_in_module_area: u64,
}

#[derive(Serialize)]
struct JsonRow<'a> {
    name: &'a str,
    pfn: Option<u64>,
    pages: u64,
    bytes: u64,
    start: Option<String>,
    end: Option<String>,
    bytes_in_module_area: u64,
}

#[derive(Serialize)]
struct JsonTables {
    l4: u64,
    l3: u64,
    l2: u64,
    l1: u64,
}

/// The same for programs; addresses are texts, because many programs read numbers as floating point.
///
/// # Errors
/// None that can happen: texts and numbers can be written.
pub fn json(domain: &Domain, plan: &Plan, scene: &Scene) -> Result<String> {
    let Collision { p2m, others } = collision(scene);
    let hex = |address: u64| format!("{address:#018x}");
    let plan = JsonPlan {
        builder: domain.builder.key(),
        memory_bytes: Size::of_pages(domain.pages).0,
        memory_pages: domain.pages,
        rows: scene.rows.iter().map(|row| json_row(row, scene)).collect(),
        page_tables: json_tables(plan.tables),
        page_tables_of_list: plan.list_tables.map(json_tables),
        alloc_end: hex(plan.alloc_end),
        mapped_end: hex(plan.mapped_end),
        module_area_start: hex(scene.area.start),
        p2m_bytes_in_module_area: p2m,
        other_bytes_in_module_area: others,
    };
    Ok(serde_json::to_string_pretty(&plan)? + "\n")
}

fn json_row<'a>(row: &'a Row, scene: &Scene) -> JsonRow<'a> {
    let hex = |address: u64| format!("{address:#018x}");
    JsonRow {
        name: &row.name,
        pfn: row.pfn,
        pages: row.pages,
        bytes: Size::of_pages(row.pages).0,
        start: row.address.map(hex),
        end: row.end().map(hex),
        bytes_in_module_area: row.bytes_in(scene.area),
    }
}

const fn json_tables(counts: TableCounts) -> JsonTables {
    let TableCounts([l1, l2, l3, l4]) = counts;
    JsonTables { l4, l3, l2, l1 }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
