//! Whether a kernel, as the initial domain, lies on what is no memory of a machine, by the memory map in its Xen's log.
//!
//! Linux gives its page numbers the machine's map and stops if its kernel, start info or page tables are not on RAM.
//! Where they are is arithmetic (`predict`); the map is read by `report`.

use crate::{
    input,
    predict::domain::{Builder, Domain, Kernel},
    report::{Verdict, memory, memory_map},
    scene::{Kind, MapRange, PAGE},
    sizes::Size,
};
use anyhow::{Context, Result, bail};
use std::path::Path;

const FIXED: [Kind; 3] = [Kind::Kernel, Kind::StartInfo, Kind::PageTables];
/// Where Linux's `CONFIG_PHYSICAL_START` may be.
const LOWEST: u64 = 16 << 20;
const ALIGN: u64 = 2 << 20;
/// The initial domain that is laid out; with both notes neither size matters.
const MEMORY: Size = Size(4 << 30);

/// Says whether the kernel conflicts with the machine whose Xen printed the log.
///
/// # Errors
/// If the log cannot be read or has no memory map, or the kernel cannot be laid out.
pub fn on_machine(kernel: Kernel, log: &Path) -> Result<(String, Verdict)> {
    let (name, log) = input::log(log)?;
    let map = memory_map(&name, log)?;
    if map.is_empty() {
        bail!(
            "expected a memory map in {name} (Xen-e820 RAM map, EFI memory map), found none: give the whole of xl \
             dmesg from the boot on"
        );
    }
    answer(kernel, &map)
}

/// A part that Linux cannot move, in bytes of the guest's memory.
struct Part {
    kind: Kind,
    start: u64,
    end: u64,
}

fn answer(kernel: Kernel, map: &[MapRange]) -> Result<(String, Verdict)> {
    let domain = Domain { builder: Builder::Xen, pages: MEMORY.pages(), kernel, ramdisk: None };
    let plan = domain.plan().context("laying out an initial domain of 4 GiB")?;
    let fixed = plan.rows.iter().filter(|row| FIXED.contains(&row.kind));
    let parts: Vec<_> = fixed
        .map(|row| Part {
            kind: row.kind,
            start: row.pfn.saturating_mul(PAGE),
            end: row.pfn.saturating_add(row.pages).saturating_mul(PAGE),
        })
        .collect();
    let mut out = format!("\nas the initial domain on that machine ({MEMORY}, without a ramdisk)\n");
    let mut conflicts = false;
    for part in &parts {
        let hole = what_is_there(map, part);
        conflicts |= hole.is_some();
        let under = hole.unwrap_or_else(|| "RAM".to_owned());
        out += &format!("  {:12} {:#x} -> {:#x}: {under}\n", part.kind.name(), part.start, part.end);
    }
    if !conflicts {
        return Ok((out + "  No conflict: Linux finds RAM where it cannot move.\n", Verdict::Fine));
    }
    Ok((out + &conflict(map, &parts), Verdict::Problem))
}

/// What the conflict leads to, and where there would be none.
fn conflict(map: &[MapRange], parts: &[Part]) -> String {
    let start = parts.iter().map(|part| part.start).min().unwrap_or(0);
    let end = parts.iter().map(|part| part.end).max().unwrap_or(0);
    let place = memory::place(map, end.saturating_sub(start), LOWEST, ALIGN);
    let instead = place.map_or_else(
        || "No CONFIG_PHYSICAL_START would help: no range of RAM holds all of it.".to_owned(),
        |at| format!("With CONFIG_PHYSICAL_START={at:#x} it would not conflict."),
    );
    format!("  Conflict: Linux since 4.3 stops there (6.12 moves ACPI NVS away). {instead}\n")
}

/// What is no RAM under a part: ranges of another kind, or a hole.
fn what_is_there(map: &[MapRange], part: &Part) -> Option<String> {
    let others = map.iter().filter(|range| range.kind != "usable");
    let hit = others.filter(|range| range.start < part.end && part.start < range.end);
    let named: Vec<_> =
        hit.map(|range| format!("{} at {:#x} -> {:#x}", range.kind, range.start, range.end)).collect();
    if !named.is_empty() {
        return Some(named.join(", "));
    }
    let is_ram = memory::place(map, part.end.saturating_sub(part.start), part.start, 1) == Some(part.start);
    (!is_ram).then(|| "not all of it is in the map".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::domain::RamdiskPlace;

    fn range(start: u64, end: u64, kind: &str) -> MapRange {
        MapRange { start, end, kind: kind.to_owned() }
    }

    /// A machine with ACPI NVS at 64 MiB.
    fn map() -> Vec<MapRange> {
        vec![
            range(0x10_0000, 0x400_0000, "usable"),
            range(0x400_0000, 0x400_c000, "ACPI NVS"),
            range(0x400_c000, 0x9df_f000, "usable"),
        ]
    }

    fn kernel(pages: u64) -> Kernel {
        Kernel { list_at: Some(0x80_0000_0000), ramdisk: RamdiskPlace::Unmapped, ..Kernel::of_pages(pages) }
    }

    #[test]
    fn a_kernel_conflicts_if_it_or_its_tables_lie_on_something_else() {
        let (large, verdict) = answer(kernel(0x3a00), &map()).unwrap();
        assert_eq!(verdict, Verdict::Problem);
        assert!(
            large.contains("kernel       0x1000000 -> 0x4a00000: ACPI NVS at 0x4000000 -> 0x400c000"),
            "{large}"
        );
        assert!(large.contains("CONFIG_PHYSICAL_START=0x4200000 it would not conflict"), "{large}");
        // Only start info and page tables come to lie there.
        let (touching, _) = answer(kernel(0x3000), &map()).unwrap();
        assert!(touching.contains("0x4000000: RAM\n") && touching.contains("page tables"), "{touching}");
        assert!(touching.contains("Conflict:"), "{touching}");
        let (small, verdict) = answer(kernel(0x1000), &map()).unwrap();
        assert_eq!(verdict, Verdict::Fine);
        assert!(small.contains("No conflict"), "{small}");
    }

    #[test]
    fn a_hole_is_no_ram_and_a_small_machine_has_no_other_place() {
        let small = [range(0x10_0000, 0x300_0000, "usable")];
        let (text, _) = answer(kernel(0x3a00), &small).unwrap();
        assert!(
            text.contains("not all of it is in the map") && text.contains("No CONFIG_PHYSICAL_START"),
            "{text}"
        );
    }
}
