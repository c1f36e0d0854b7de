//! Whole boots on the model of Xen: every size, strategy and oddity, checked from outside the domain.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "support/mod.rs"]
mod support;

use revector::addr::{Pfn, PfnRange};
use revector::error::BootError;
use revector::fake::{Built, Domain, ImageShape, Ramdisk};
use revector::mm::error::MmError;
use support::generator::Case;
use support::{boot, checks};

/// First page whose high address lies in the module area.
const MODULES: Pfn = Pfn::new(0x2_0000);

fn must_boot(domain: &Domain, line: &str) -> Built {
    let mut built = domain.build().unwrap();
    boot(&mut built, line).unwrap_or_else(|error| panic!("{}: {error}", error.stage()));
    built
}

/// Boots, and checks what its options promise; a boot that leaves the module area occupied must say so.
fn check(case: &Case) {
    let mut built = case.domain.build().unwrap();
    let cleans = !case.line.contains("keep") && !case.line.contains("cleanup=off");
    let collides = built.rows.mapped_end > MODULES;
    let outcome = boot(&mut built, &case.line);
    match outcome {
        Ok(()) if cleans => checks::cleaned(&built),
        Ok(()) if !collides => drop(checks::always(&built)),
        Err(BootError::Memory("vmalloc", MmError::Occupied { .. })) if !cleans && collides => {}
        other => panic!("{other:?}"),
    }
}

fn check_seeds(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let case = Case::new(seed);
        eprintln!("seed {seed}: {case:?}");
        check(&case);
    }
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
    // A hole in the last leaf, one of many leaves, and one right behind the initial mapping.
    let end = domain.rows().unwrap().mapped_end;
    let holes = [(end.raw(), 700), (100_000_000, 1 << 20), ((1 << 27) - 100, 50)];
    let holes = holes.iter().map(|(start, pages)| PfnRange::new(Pfn::new(*start), *pages)).collect();
    checks::cleaned(&must_boot(&Domain { holes, ..domain }, "p2m=copy verify=sample"));
}
