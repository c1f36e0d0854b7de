//! A window shows exactly what is mapped: the processor can read each page that it shows, and no other.
//!
//! Everything that the boot reads or writes goes through a window, and so does what the allocator takes for mapped.
//! A window that shows too much is a safe function that reads unmapped memory.

use crate::support::generator::Random;
use crate::support::stages::{World, moved, plant, plant_for};
use pv_memory::direct_map;
use pv_memory::error::MmError;
use pv_memory::frames::Zone;
use pv_memory::p2m::Strategy;
use pv_memory::tables::Tables;
use xen::addr::{Pfn, PfnRange};
use xen::{Errno, Lookup};
use xen_model::{Domain, Refusal, Xen};

/// Reads each page of the domain through the window, and some after its end.
fn assert_exact(tables: &Tables, xen: &mut Xen) {
    let window = tables.window();
    for pfn in (0..xen.machine().pages() + 1200).map(Pfn::new) {
        let shown = window.shows(PfnRange::new(pfn, 1));
        let read = xen.probe(window.address(pfn)).is_ok();
        assert_eq!(shown, read, "{pfn}: shown, and can be read");
    }
}

/// Domains whose memory ends anywhere in a slot, with holes from a page to some slots right after what is mapped.
fn domain(seed: u64) -> Domain {
    let random = &mut Random::new(seed);
    let pages = 48 * 256 + random.below(4096);
    let whole = Domain { pages, seed, ..Domain::guest(0) };
    let mut at = whole.rows().unwrap().mapped_end.raw();
    let mut holes = Vec::new();
    while at + 4096 < pages {
        let hole = PfnRange::new(Pfn::new(at + random.below(40)), 1 + random.below(600));
        at = hole.end.raw() + 1;
        holes.push(hole);
    }
    Domain { holes, ..whole }
}

#[test]
fn every_strategy_leaves_a_window_that_shows_what_is_mapped() {
    for seed in 0..30 {
        let mut planted = plant(&domain(seed));
        assert_exact(&planted.tables, &mut planted.built.xen);
        for strategy in [Strategy::Copy, Strategy::Alias, Strategy::Baseline] {
            let mut world = moved(&domain(seed), strategy);
            assert_exact(&world.tables, &mut world.built.xen);
            world.clean();
            assert_exact(&world.tables, &mut world.built.xen);
        }
    }
}

#[test]
fn every_page_that_the_allocator_takes_for_mapped_can_be_read() {
    for seed in 0..30 {
        for strategy in [Strategy::Copy, Strategy::Baseline] {
            let World { built, tables, mut frames, .. } = moved(&domain(seed), strategy);
            let window = tables.window();
            while let Ok(run) = frames.take_up_to(Zone::Mapped(window), u64::MAX) {
                for pfn in run.pages().iter() {
                    assert!(built.xen.probe(window.address(pfn)).is_ok(), "{pfn}");
                }
            }
            // What is left has to be mapped first, also if it lies below something that is mapped.
            while let Ok(run) = frames.take_up_to(Zone::Far(window), u64::MAX) {
                for pfn in run.pages().iter() {
                    assert!(built.xen.probe(window.address(pfn)).is_err(), "{pfn}");
                }
            }
        }
    }
}

fn extend(world: &mut World, ranges: &[PfnRange]) -> Result<(), MmError> {
    world.run(|memory, xen| direct_map::extend(memory, ranges, xen))
}

#[test]
fn pages_of_one_slot_can_be_shown_one_after_the_other() {
    let mut world = moved(&Domain { pages: 64 * 256 + 77, ..Domain::guest(0) }, Strategy::Alias);
    let end = world.built.xen.machine().pages();
    let slot = world.tables.window().end().raw().next_multiple_of(512) + 512;
    let range = |start, pages| PfnRange::new(Pfn::new(start), pages);
    // In two pieces at once; beside them; over them; across slots; up to the last page of the domain.
    let steps = [
        vec![range(slot + 3, 5), range(slot + 100, 1)],
        vec![range(slot, 3)],
        vec![range(slot, 200)],
        vec![range(slot + 500, 600)],
        vec![range(end - 5, 5)],
    ];
    for ranges in steps {
        extend(&mut world, &ranges).unwrap();
        assert!(ranges.iter().all(|range| world.tables.window().shows(*range)));
        assert_exact(&world.tables, &mut world.built.xen);
    }
}

#[test]
fn a_page_without_a_frame_is_not_shown() {
    let hole = Pfn::new(0x2805);
    let domain = Domain { holes: vec![PfnRange::new(hole, 1)], ..Domain::guest(64) };
    let mut world = moved(&domain, Strategy::Alias);
    let free = world.frames.free_pages();
    let across = PfnRange::new(Pfn::new(0x2800), 10);
    assert_eq!(extend(&mut world, &[across]), Err(MmError::NoFrame { pfn: hole }));
    let after_end = Pfn::new(64 * 256);
    let last = PfnRange::new(Pfn::new(64 * 256 - 2), 4);
    assert_eq!(extend(&mut world, &[last]), Err(MmError::NoFrame { pfn: after_end }));
    assert_eq!(world.frames.free_pages(), free);
    assert_exact(&world.tables, &mut world.built.xen);
}

#[test]
fn pages_that_xen_refused_to_map_are_not_shown() {
    for strategy in [Strategy::Copy, Strategy::Baseline] {
        for later in 0..6 {
            let mut planted = plant_for(&domain(1), strategy);
            let hypercall = planted.built.xen.issued() + later;
            planted.built.xen.refuse(Refusal { hypercall, element: 1, errno: Errno::EINVAL });
            if let Err(mut failed) = planted.revector() {
                assert_exact(&failed.tables, &mut failed.built.xen);
            }
        }
    }
}
