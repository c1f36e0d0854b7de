//! Whole boots on the model of Xen: every size, strategy and oddity, checked from outside the domain.

use std::collections::BTreeSet;

use crate::support::generator::{Case, Planted};
use crate::support::{boot, checks};
use pv_memory::error::MmError;
use pv_memory::layout::{Layout, Name};
use revector::error::BootError;
use revector::stage::Stage;
use xen::Platform;
use xen::addr::{Pfn, PfnRange};
use xen::start_info::BootInfo;
use xen_model::{Builder, Built, Domain, ImageShape, Ramdisk};

/// First page whose high address lies in the module area.
const MODULES: Pfn = Pfn::new(0x2_0000);

fn must_boot(domain: &Domain, line: &str) -> Built {
    let mut built = domain.build().unwrap();
    boot(&mut built, line).unwrap_or_else(|error| panic!("{}: {error}", error.stage()));
    built
}

/// How a boot ended, as its options promise.
#[derive(Clone, Copy, Debug)]
enum End {
    Cleaned,
    Left,
    Occupied,
    /// Another domain's frame was planted: what must come of it was checked.
    Foreign,
}

/// Boots, and checks what its options promise; a boot that leaves the module area occupied must say so.
fn check(case: &Case) -> End {
    let mut built = case.domain.build().unwrap();
    let cleans = !case.line.contains("keep") && !case.line.contains("cleanup=off");
    let collides = built.rows.mapped_end > MODULES;
    case.planted.plant(&mut built);
    let outcome = boot(&mut built, &case.line);
    match (outcome, case.planted) {
        (outcome, Planted::Nowhere) => sound(&built, outcome, cleans, collides),
        (outcome, planted) => {
            foreign_frame(&built, outcome, planted);
            End::Foreign
        }
    }
}

/// Another domain's frame is found where Xen can be asked; elsewhere the boot does not use it, or Xen refuses.
fn foreign_frame(built: &Built, outcome: Result<(), BootError>, planted: Planted) {
    let shared_info = Pfn::new((built.facts.shared_info.as_u64() - 0xffff_ffff_8000_0000) / 4096);
    match (planted, outcome) {
        (Planted::Ring, Err(BootError::StartInfo(error))) => assert_eq!(error.field, "console.mfn"),
        (Planted::Mapped(pfn), Err(BootError::Walk(error))) => assert!(pfn != shared_info, "{error}"),
        (Planted::Mapped(pfn), Err(error)) => assert_eq!(pfn, shared_info, "{error}"),
        (Planted::Unmapped(_), Ok(())) => {}
        (Planted::Unmapped(_), Err(error)) => {
            let is_named =
                matches!(error, BootError::Memory(..) | BootError::Modules { .. } | BootError::Verify(..));
            assert!(is_named, "{error:?}");
        }
        other => panic!("{other:?}"),
    }
}

fn sound(built: &Built, outcome: Result<(), BootError>, cleans: bool, collides: bool) -> End {
    match outcome {
        Ok(()) if cleans => checks::cleaned(built),
        Ok(()) if !collides => {
            checks::always(built);
            return End::Left;
        }
        Err(BootError::Memory(Stage::Vmalloc, MmError::Occupied { .. })) if !cleans && collides => {
            return End::Occupied;
        }
        other => panic!("{other:?}"),
    }
    End::Cleaned
}

/// What never came up was not tested, whatever the generator was meant to make.
fn check_seeds(seeds: std::ops::Range<u64>) {
    let mut seen = BTreeSet::new();
    for seed in seeds {
        let case = Case::new(seed);
        eprintln!("seed {seed}: {case:?}");
        let Domain { builder, notes, ramdisk, holes, .. } = &case.domain;
        if ramdisk.is_some() {
            seen.insert(format!("{builder:?} {:?}", notes.ramdisk));
        }
        if !holes.is_empty() {
            seen.insert(format!("{builder:?} holes"));
        }
        seen.insert(format!("{:?}", check(&case)));
    }
    let roles =
        ["None", "ModStartPfn", "holes"].map(|what| [format!("Toolstack {what}"), format!("Xen {what}")]);
    let ends = [End::Cleaned, End::Left, End::Occupied, End::Foreign].map(|end| format!("{end:?}"));
    let missing: Vec<_> =
        roles.as_flattened().iter().chain(&ends).filter(|what| !seen.contains(*what)).collect();
    assert!(missing.is_empty(), "no seed led to {missing:?}");
}

#[test]
fn generated_domains_boot_or_say_what_is_in_the_way_1_of_2() {
    check_seeds(0..120);
}

#[test]
fn generated_domains_boot_or_say_what_is_in_the_way_2_of_2() {
    check_seeds(120..240);
}

#[test]
fn the_seeds_guest_of_128_gib_boots_with_each_strategy() {
    let image = ImageShape { pages: 0xe43, text: 0x400, rodata: 0x200 };
    let ramdisk = Some(Ramdisk::blank(0x1_0784 * 4096));
    let domain = Domain { image, ramdisk, ..Domain::guest(131_072) };
    for line in ["p2m=copy", "p2m=alias verify=sample"] {
        checks::cleaned(&must_boot(&domain, line));
    }
}

#[test]
fn exactly_512_gib_boot() {
    checks::cleaned(&must_boot(&Domain::guest(512 * 1024), "p2m=copy"));
}

#[test]
fn exactly_512_gib_with_holes_boot() {
    let domain = Domain::guest(512 * 1024);
    // A hole in the last leaf, one of many leaves, and one right after the initial mapping.
    let end = domain.rows().unwrap().mapped_end;
    let holes = [(end.raw(), 700), (100_000_000, 1 << 20), ((1 << 27) - 100, 50)];
    let holes = holes.iter().map(|(start, pages)| PfnRange::new(Pfn::new(*start), *pages)).collect();
    checks::cleaned(&must_boot(&Domain { holes, ..domain }, "p2m=copy verify=sample"));
}

/// Page-table entries and MMU hypercalls of a boot.
fn cost(built: &Built) -> (u64, u64) {
    let counters = built.xen.counters();
    (counters.entries, counters.calls.mmu())
}

#[test]
fn the_classic_way_leads_to_the_same_end_with_an_entry_for_each_page_of_ram() {
    let domain = Domain::guest(1024);
    let (copied, classic) = (must_boot(&domain, "p2m=copy"), must_boot(&domain, "p2m=baseline"));
    checks::cleaned(&classic);
    let pages = 1024 * 256 - copied.rows.mapped_end.raw();
    let ((entries, calls), (all_entries, all_calls)) = (cost(&copied), cost(&classic));
    assert!(all_entries - entries >= pages - 1024, "{all_entries} entries, with copy {entries}");
    // One hypercall for each L1 table, one for its entries, one for each page of the new list.
    assert!(all_calls - calls >= 2 * (pages / 512) + 500, "{all_calls} MMU hypercalls, with copy {calls}");
    assert!(entries < 2000 && calls < 40, "{entries} entries and {calls} MMU hypercalls with copy");
}

#[test]
fn the_classic_way_knows_holes() {
    let domain = Domain::guest(256);
    let end = domain.rows().unwrap().mapped_end;
    let holes = vec![PfnRange::new(end.plus(3), 700), PfnRange::new(Pfn::new(256 * 256 - 5), 5)];
    checks::cleaned(&must_boot(&Domain { holes, ..domain }, "p2m=baseline"));
}

#[test]
fn measuring_the_limits_leaves_a_boot_as_good_as_it_was() {
    for strategy in ["copy", "alias", "keep", "baseline"] {
        let line = format!("p2m={strategy} limits=on");
        let built = must_boot(&Domain::guest(64), &line);
        let copied = built.xen.counters().copied;
        assert!(copied >= 5 * 128 * 1024, "{line}: {copied} bytes copied, expected the list by each loop");
        if strategy != "keep" {
            checks::cleaned(&built);
        }
    }
}

/// GRUB leaves its stack in free memory; a row for it would keep a page that nobody uses.
#[test]
fn only_a_builder_that_makes_a_stack_of_the_page_after_the_tables_has_a_row_for_it() {
    for builder in Builder::ALL {
        let Built { xen, start_info, facts, rows, .. } =
            Domain { builder, ..Domain::guest(64) }.build().unwrap();
        let layout = Layout::plan(&BootInfo::parse(&start_info, facts, &xen).unwrap()).unwrap();
        let row = layout.row(Name::BootStack).map(|row| row.pages);
        assert_eq!(row, (builder != Builder::Grub).then_some(rows.stack), "{builder:?}");
    }
}
