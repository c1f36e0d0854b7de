//! Rows that lie on what is no memory, by the memory map that the log holds.
//!
//! Linux gives its page numbers the machine's memory map (always as the initial domain, with `e820_host=1` as a
//! guest), and since 4.3 stops if its kernel, its start info or its page tables lie where that map has no RAM. It can
//! move list and ramdisk. Since 6.12 (and in stable releases since October 2024) it can move ACPI NVS away too.

use super::Case;
use crate::{
    report::{
        fact::{Event, Teller},
        finding::Finding,
        text,
    },
    scene::{Kind, MapRange, PAGE, Row},
};

const FIXED: [Kind; 3] = [Kind::Kernel, Kind::StartInfo, Kind::PageTables];

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let events = case.guest.inside.iter().flat_map(|side| &side.events);
    let stopped: Vec<_> = events.filter_map(|event| stopped(case, event)).collect();
    if stopped.is_empty() { may_stop(case).into_iter().collect() } else { stopped }
}

fn stopped(case: &Case<'_>, event: &Event) -> Option<Finding> {
    match event {
        Event::Conflict(part) => Some(conflict(case, part)),
        Event::NoPlace(part) => Some(no_place(case, part)),
        _ => None,
    }
}

fn conflict(case: &Case<'_>, part: &str) -> Finding {
    let kind = match part {
        "page table" => Kind::PageTables,
        "xen_start_info" => Kind::StartInfo,
        _ => Kind::Kernel,
    };
    let row = case.scene.rows.iter().find(|row| row.kind == kind);
    let overlaps = row.map(|row| overlaps(case, row)).unwrap_or_default();
    let detail = match (row, overlaps.is_empty()) {
        (Some(row), false) => format!("{} overlaps {}. {STOPS}", place(row), text::list(&overlaps)),
        (Some(row), true) => {
            format!("{}; the log has no memory map that shows what is there. {STOPS}", place(row))
        }
        (None, _) => {
            format!("The log does not say where it lies: add Xen's own messages (xl dmesg). {STOPS}")
        }
    };
    case.problem(
        format!("Linux stopped: its {part} memory conflicts with the E820 map"),
        detail,
        Some(CURE.to_owned()),
    )
}

const STOPS: &str = "Linux uses the machine's memory map for its page numbers and cannot run from pages that the map \
    calls anything but RAM, so it stops before it prints a line of its own log.";
const CURE: &str = "As the initial domain: Linux 6.12 or a stable release since October 2024, which moves ACPI NVS \
    away, or a kernel built with another CONFIG_PHYSICAL_START, which lies elsewhere. As a guest: leave e820_host=1 \
    out of its configuration. The notes INIT_P2M and MOD_START_PFN do not help, the kernel itself is in the way.";

fn no_place(case: &Case<'_>, part: &str) -> Finding {
    let size = match part {
        "p2m" => size(case, Kind::P2m),
        _ => size(case, Kind::Ramdisk),
    };
    let detail = format!(
        "Its {part}{size} lies where the memory map has no RAM, and no range of RAM is long enough to \
        move it to."
    );
    let cure = match part {
        "p2m" => "Give the guest less memory: the list takes 2 MiB for each GiB.",
        _ => "Make the ramdisk smaller, or give the guest more memory.",
    };
    case.problem(
        format!("Linux stopped: no place for its {part} in the E820 map"),
        detail,
        Some(cure.to_owned()),
    )
}

fn size(case: &Case<'_>, kind: Kind) -> String {
    let row = case.scene.rows.iter().find(|row| row.kind == kind);
    row.map_or(String::new(), |row| format!(" of {}", text::pages(row.pages)))
}

/// Linux has not said anything, but would.
fn may_stop(case: &Case<'_>) -> Option<Finding> {
    let not_linux =
        case.guest.inside.as_ref().is_some_and(|side| side.teller != Teller::Linux || !side.map.is_empty());
    let fixed = case.scene.rows.iter().filter(|row| FIXED.contains(&row.kind));
    let found: Vec<_> = fixed
        .filter(|_| case.guest.is_initial() && !not_linux)
        .filter_map(|row| {
            let overlaps = overlaps(case, row);
            (!overlaps.is_empty()).then(|| format!("{} overlaps {}", place(row), text::list(&overlaps)))
        })
        .collect();
    let title = "Linux since 4.3 would stop here: what it cannot move lies on what is no RAM".to_owned();
    (!found.is_empty()).then(|| case.note(title, format!("{}.", found.join("; ")), Some(CURE.to_owned())))
}

/// `The kernel, 0x1000000 -> 0x4a00000 of the guest's memory,`
fn place(row: &Row) -> String {
    match range(row) {
        Some((start, end)) => format!("The {} at {start:#x} -> {end:#x} of the guest's memory", row.name),
        None => format!("The {}", row.name),
    }
}

fn range(row: &Row) -> Option<(u64, u64)> {
    let start = row.pfn?.checked_mul(PAGE)?;
    Some((start, start.checked_add(row.pages.checked_mul(PAGE)?)?))
}

/// What is no RAM under a row, and whether the map knows of it at all.
fn overlaps(case: &Case<'_>, row: &Row) -> Vec<String> {
    let Some((start, end)) = range(row) else { return Vec::new() };
    let hits = |other: &&MapRange| other.kind != "usable" && other.start < end && start < other.end;
    case.scene
        .memory_map
        .iter()
        .filter(hits)
        .map(|other| format!("{} at {:#x} -> {:#x}", other.kind, other.start, other.end))
        .collect()
}
