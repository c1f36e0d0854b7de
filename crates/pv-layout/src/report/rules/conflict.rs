//! Rows that lie on what is no memory, by the memory map that the log holds.
//!
//! Linux gives its page numbers the machine's memory map (always as the initial domain, with `e820_host=1` as a guest),
//! and since 4.3 stops if its kernel, its start info or its page tables lie where that map has no RAM. It can move list
//! and ramdisk. Since 6.12 (and in stable releases since October 2024) it can move ACPI NVS away too. What helps is
//! looked for in the map: a place that holds all of it.

use super::Case;
use crate::{
    report::{
        fact::{Event, Writer},
        finding::Finding,
        memory,
        record::Record,
        text,
    },
    scene::{Kind, MapRange, PAGE, Row},
};
use std::ops::Range;

const FIXED: [Kind; 3] = [Kind::Kernel, Kind::StartInfo, Kind::PageTables];
/// `CONFIG_PHYSICAL_START` is a multiple of this, and no kernel is linked lower than 16 MiB.
const ALIGN: u64 = 2 << 20;
const LOWEST: u64 = 16 << 20;
/// Room after a kernel for start info and page tables, where the log has no rows: what the builder pads with.
const ROOM: u64 = 4 << 20;
const NVS: &str = "ACPI NVS";

/// A part of the guest in its own memory, in bytes.
struct Part {
    kind: Kind,
    name: String,
    start: u64,
    end: u64,
}

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let events = case.guest.inside.iter().flat_map(|side| &side.events);
    let stopped: Vec<_> = events.filter_map(|event| stopped(case, event)).collect();
    if !stopped.is_empty() {
        return stopped;
    }
    may_stop(case).into_iter().chain(moves(case)).collect()
}

/// Whether the log is of an initial domain of which nothing has been heard yet, or too little to know.
fn is_before_linux(case: &Case<'_>) -> bool {
    let speaks = |side: &Record| side.writer != Writer::Linux || !side.map.is_empty();
    case.guest.is_initial() && !case.guest.inside.as_ref().is_some_and(speaks)
}

/// Ramdisk and list, which Linux moves if they lie on what is no RAM.
fn moves(case: &Case<'_>) -> Vec<Finding> {
    let movable = case.scene.rows.iter().filter(|row| matches!(row.kind, Kind::Ramdisk | Kind::P2m));
    let parts = movable.filter_map(part).filter(|_| is_before_linux(case));
    let finding = |part: Part| {
        let under = overlaps(case, &part);
        let bytes = part.end.saturating_sub(part.start);
        let room = memory::place(&case.scene.memory_map, bytes, 0, PAGE);
        let detail = format!("{} overlaps {}.", place(&part), text::list(&described(&under)));
        let title = format!("Linux has to move its {} to other RAM", part.name);
        (!under.is_empty()).then(|| match room {
            Some(at) => {
                let detail =
                    format!("{detail} There is room for it at {at:#x}, and Linux moves it since 4.3.");
                case.note(title, detail, Vec::new())
            }
            None => no_place(case, if part.kind == Kind::P2m { "p2m" } else { "initrd" }),
        })
    };
    parts.filter_map(finding).collect()
}

fn stopped(case: &Case<'_>, event: &Event) -> Option<Finding> {
    match event {
        Event::Conflict(part) => Some(conflict(case, part)),
        Event::NoPlace(part) => Some(no_place(case, part)),
        _ => None,
    }
}

/// The parts of the guest that Linux cannot move; a kernel without a row is where Xen's log places it.
fn parts(case: &Case<'_>) -> Vec<Part> {
    let mut parts: Vec<_> =
        case.scene.rows.iter().filter(|row| FIXED.contains(&row.kind)).filter_map(part).collect();
    let kernel = case.guest.builder.as_ref().and_then(|side| side.physical.clone());
    if let Some(Range { start, end }) = kernel.filter(|_| parts.iter().all(|part| part.kind != Kind::Kernel))
    {
        parts.insert(0, Part { kind: Kind::Kernel, name: Kind::Kernel.name().to_owned(), start, end });
    }
    parts
}

fn part(row: &Row) -> Option<Part> {
    let start = row.pfn?.checked_mul(PAGE)?;
    let end = start.checked_add(row.pages.checked_mul(PAGE)?)?;
    Some(Part { kind: row.kind, name: row.name.clone(), start, end })
}

fn conflict(case: &Case<'_>, part_name: &str) -> Finding {
    let kind = match part_name {
        "page table" => Kind::PageTables,
        "xen_start_info" => Kind::StartInfo,
        _ => Kind::Kernel,
    };
    let parts = parts(case);
    let part = parts.iter().find(|part| part.kind == kind);
    let overlaps = part.map(|part| overlaps(case, part)).unwrap_or_default();
    let place = match (part, overlaps.is_empty()) {
        (Some(part), false) => format!("{} overlaps {}.", place(part), text::list(&described(&overlaps))),
        (Some(part), true) => {
            format!("{}; the log has no memory map that shows what is there.", place(part))
        }
        (None, _) => "The log does not say where it lies: add Xen's own messages (xl dmesg).".to_owned(),
    };
    let title = format!("Linux stopped: its {part_name} memory conflicts with the E820 map");
    case.problem(title, format!("{place} {STOPS}"), cures(case, &parts))
}

const STOPS: &str = "Linux numbers its pages by the machine's map and cannot run from what is no RAM there, so it \
    stops before it prints a line of its own log.";

/// What helps, by what is in the way and where there is room.
fn cures(case: &Case<'_>, parts: &[Part]) -> Vec<String> {
    let mut cures = Vec::new();
    let guest = case.guest.builder.as_ref().is_none_or(|side| side.writer == Writer::Toolstack);
    if guest {
        cures.push("as a guest: e820_host=1 left out of its configuration".to_owned());
    }
    let in_the_way: Vec<_> = parts.iter().flat_map(|part| overlaps(case, part)).collect();
    if in_the_way.iter().all(|range| range.kind == NVS) {
        let moves = "Linux 6.12 (or stable since October 2024), which moves ACPI NVS away";
        cures.push(moves.to_owned());
    }
    match place_for(case, parts) {
        Some(start) => {
            cures.push(format!("a kernel built with CONFIG_PHYSICAL_START={start:#x}: RAM holds it there"))
        }
        None if case.scene.memory_map.is_empty() => {
            cures.push("a kernel built with another CONFIG_PHYSICAL_START".to_owned());
        }
        None => {}
    }
    cures
}

/// The lowest start at which RAM holds everything that Linux cannot move.
fn place_for(case: &Case<'_>, parts: &[Part]) -> Option<u64> {
    let start = parts.iter().map(|part| part.start).min()?;
    let end = parts.iter().map(|part| part.end).max()?;
    let has_rows = parts.iter().any(|part| part.kind == Kind::PageTables);
    let needed = end.checked_sub(start)?.checked_add(if has_rows { PAGE } else { ROOM })?;
    memory::place(&case.scene.memory_map, needed, LOWEST, ALIGN)
}

fn no_place(case: &Case<'_>, part: &str) -> Finding {
    let size = match part {
        "p2m" => size(case, Kind::P2m),
        _ => size(case, Kind::Ramdisk),
    };
    let detail = format!(
        "Its {part}{size} lies where the memory map has no RAM, and no range of RAM is long enough to move it to."
    );
    let cures = match part {
        "p2m" => vec!["less memory for it: the list takes 2 MiB for each GiB"],
        _ => vec!["a smaller ramdisk", "more memory for it"],
    };
    let title = format!("Linux stopped: no place for its {part} in the E820 map");
    case.problem(title, detail, cures.into_iter().map(str::to_owned).collect())
}

fn size(case: &Case<'_>, kind: Kind) -> String {
    let row = case.scene.rows.iter().find(|row| row.kind == kind);
    row.map_or(String::new(), |row| format!(" of {}", text::pages(row.pages)))
}

/// Linux has not said anything, but would: of what comes after these rows there is no sign in the log.
fn may_stop(case: &Case<'_>) -> Option<Finding> {
    if !is_before_linux(case) {
        return None;
    }
    let parts = parts(case);
    let hit: Vec<_> = parts.iter().filter(|part| !overlaps(case, part).is_empty()).collect();
    let names: Vec<_> = hit.iter().map(|part| part.name.clone()).collect();
    let mut kinds: Vec<_> =
        hit.iter().flat_map(|part| overlaps(case, part)).map(|range| range.kind.clone()).collect();
    kinds.dedup();
    let places: Vec<_> =
        hit.iter().map(|part| format!("{} ({:#x} -> {:#x})", part.name, part.start, part.end)).collect();
    let mut under: Vec<_> = hit.iter().flat_map(|part| described(&overlaps(case, part))).collect();
    under.dedup();
    let one = matches!(hit.as_slice(), [part] if part.kind != Kind::PageTables);
    let lie = if one { "lies" } else { "lie" };
    let title =
        format!("Linux since 4.3 stops here: its {} {lie} on {}", text::list(&names), text::list(&kinds));
    let detail = format!(
        "In the guest's memory, {} overlap{} {}. {STOPS}",
        text::list(&places),
        if one { "s" } else { "" },
        text::list(&under)
    );
    (!hit.is_empty()).then(|| case.problem(title, detail, cures(case, &parts)))
}

/// `The kernel at 0x1000000 -> 0x4a00000 of the guest's memory`
fn place(part: &Part) -> String {
    format!("The {} at {:#x} -> {:#x} of the guest's memory", part.name, part.start, part.end)
}

/// What is no RAM under a part, and whether the map knows of it at all.
fn overlaps<'a>(case: &Case<'a>, part: &Part) -> Vec<&'a MapRange> {
    let hits = |other: &&MapRange| other.kind != "usable" && other.start < part.end && part.start < other.end;
    case.scene.memory_map.iter().filter(hits).collect()
}

fn described(ranges: &[&MapRange]) -> Vec<String> {
    let memory = |kind: &str| if matches!(kind, "reserved" | "unusable") { " memory" } else { "" };
    let text = |other: &&MapRange| {
        format!("{}{} at {:#x} -> {:#x}", other.kind, memory(&other.kind), other.start, other.end)
    };
    ranges.iter().map(text).collect()
}
