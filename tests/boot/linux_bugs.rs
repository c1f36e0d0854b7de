//! Every bug that Linux had in this code, as a test that fails if it comes back.
//!
//! Numbers are those of docs/linux-bugs.md, which also lists the ones that cannot apply here, and why.

mod later;

use std::collections::BTreeSet;

use crate::support::stages::{moved, plant};
use crate::support::walk::Walk;
use crate::support::{boot, checks, toolstack};
use pv_memory::error::MmError;
use pv_memory::frames::{FrameError, Zone};
use pv_memory::p2m::Leaves;
use pv_memory::p2m::Slot;
use pv_memory::p2m::Strategy;
use pv_memory::vmalloc::{Near, Rights, Vmalloc};
use xen::addr::{Mfn, Pfn, PfnRange, VirtAddr};
use xen::pte::{Access, Level};
use xen_model::{Builder, Built, Domain, ImageShape, Kind, Ramdisk};

/// Pages that no list of ours ends on a 2 MiB boundary with.
const ODD: u64 = 64 * 256 + 3;

fn odd() -> Domain {
    Domain { pages: ODD, ramdisk: Some(Ramdisk::blank(5000)), ..Domain::guest(64) }
}

fn frames_of(built: &Built, pages: PfnRange) -> impl Iterator<Item = Mfn> {
    pages.iter().map(|pfn| built.xen.machine().mfn(pfn).unwrap())
}

fn booted(domain: &Domain, line: &str) -> Built {
    let mut built = domain.build().unwrap();
    boot(&mut built, line).unwrap_or_else(|error| panic!("{}: {error}", error.stage()));
    built
}

#[test]
fn a1_the_old_list_is_all_ones_before_it_is_unmapped() {
    // A list that one mid page describes, and one that needs three.
    for pages in [ODD, (2 << 18) + 70_001] {
        let world = moved(&Domain { pages, ..odd() }, Strategy::Copy);
        for mfn in frames_of(&world.built, world.built.rows.list) {
            assert!(world.built.xen.frame(mfn).iter().all(|word| *word == u64::MAX), "{mfn}");
        }
    }
}

#[test]
fn a1_the_page_after_the_last_one_is_missing_and_not_frame_zero() {
    for builder in [Builder::Toolstack, Builder::Xen] {
        let planted = plant(&Domain { builder, ..odd() });
        let window = planted.tables.window();
        let words = planted.p2m.leaf_words(window, &planted.built.xen, Pfn::new(ODD).slot_start());
        assert!(words[3..].iter().all(|word| *word == u64::MAX));
        assert_eq!(planted.p2m.get(window, &planted.built.xen, Pfn::new(ODD)), Slot::Missing);
    }
}

#[test]
fn a2_sizes_that_are_no_multiple_of_2_mib_boot() {
    for pages in [899 * 256, 2049 * 256, 5000 * 256, 899 * 256 + 1, 2049 * 256 - 1, ODD] {
        for line in ["p2m=copy", "p2m=alias"] {
            checks::cleaned(&booted(&Domain { pages, ..odd() }, line));
        }
    }
}

#[test]
fn a3_release_just_the_list_not_page_tables() {
    let mut world = moved(&odd(), Strategy::Copy);
    let before = world.frames.free_pages();
    let (_, freed) = world.clean();
    let rows = world.built.rows.clone();
    assert_ne!(rows.list.end.raw() % 512, 0, "the list must not end on a 2 MiB boundary");
    assert_eq!(freed, rows.list.pages());
    assert_eq!(world.frames.free_pages() - before, freed);
    let tables = Walk::of(&world.built.xen).tables;
    for pfn in world.drain() {
        let frame = world.built.xen.machine().mfn(pfn);
        assert!(frame.is_none_or(|frame| !tables.contains_key(&frame)), "{pfn} is a page table");
        let mfn = world.built.xen.machine().mfn(pfn).unwrap();
        assert!(!matches!(world.built.xen.kind(mfn), Some((Kind::Table(_), _))), "{pfn} is a page table");
    }
}

#[test]
fn a4_leaves_are_packed_by_a_running_number() {
    let hole = PfnRange::new(Pfn::new(0x1800), 0x1400);
    for seed in 0..4 {
        let mut world = moved(&Domain { holes: vec![hole], seed, ..odd() }, Strategy::Copy);
        let saved = toolstack::map_p2m(&world.built.xen).unwrap();
        let leaves: BTreeSet<_> = saved.leaves.iter().copied().collect();
        let wholly_missing = 0x1400 / 512;
        // All the missing ones share a page; the others have one each.
        assert_eq!(leaves.len() as u64, ODD.div_ceil(512) - wholly_missing + 1);
        for pfn in [0, 0x17ff, 0x1800, 0x2bff, 0x2c00, ODD - 1].map(Pfn::new) {
            let expected = world.built.xen.machine().mfn(pfn).map_or(Slot::Missing, Slot::Frame);
            assert_eq!(world.p2m.get(world.tables.window(), &world.built.xen, pfn), expected, "{pfn}");
        }
        let free: BTreeSet<_> = world.drain().into_iter().collect();
        let taken = leaves.iter().map(|leaf| world.built.xen.machine().pfn(*leaf).unwrap());
        assert_eq!(taken.filter(|pfn| free.contains(pfn)).count(), 0, "a leaf is free memory");
    }
}

#[test]
fn a4_a_new_list_in_several_pieces_is_right() {
    let end = odd().rows().unwrap().mapped_end;
    for first in [1, 10, 30] {
        let holes = [first, first + 7, first + 9].map(|page| PfnRange::new(end.plus(page), 1)).to_vec();
        for line in ["p2m=copy", "p2m=copy verify=off"] {
            checks::cleaned(&booted(&Domain { holes: holes.clone(), ..odd() }, line));
        }
    }
}

#[test]
fn a5_the_page_past_512_gib_is_missing_and_cannot_be_set() {
    let mut planted = plant(&Domain::guest(512 * 1024));
    let last = Pfn::new((1 << 27) - 1);
    let frame = planted.built.xen.machine().mfn(last).map_or(Slot::Missing, Slot::Frame);
    assert_eq!(planted.p2m.get(planted.tables.window(), &planted.built.xen, last), frame);
    let after_end = Pfn::new(1 << 27);
    assert_eq!(planted.p2m.get(planted.tables.window(), &planted.built.xen, after_end), Slot::Missing);
    assert_eq!(planted.set(after_end, Slot::Missing), Err(MmError::NoFrame { pfn: after_end }));
}

#[test]
fn a6_entering_frames_into_holes_until_memory_ends_is_an_error() {
    let pages = 3 << 18;
    let holes = vec![PfnRange::between(Pfn::new(0x2000), Pfn::new(pages))];
    let mut planted = plant(&Domain { pages, holes, ..Domain::guest(0) });
    let _ = planted.frames.take(Zone::Mapped(planted.tables.window()), planted.frames.free_pages().min(3000));
    let frame = Slot::Frame(planted.built.xen.machine().mfn(Pfn::new(1)).unwrap());
    let mut last = Ok(());
    for leaf in 0x2000 / 512..pages / 512 {
        last = planted.set(Pfn::new(leaf * 512 + 7), frame);
        if last.is_err() {
            break;
        }
    }
    assert!(matches!(last, Err(MmError::Frames(FrameError::Exhausted { .. }))), "{last:?}");
}

#[test]
fn a8_tables_in_the_initial_domains_order_are_all_found_and_none_is_given_away() {
    let mut world = moved(&Domain { builder: Builder::Xen, ..odd() }, Strategy::Copy);
    world.clean();
    let (tables, hooked) = (world.built.rows.tables, Walk::of(&world.built.xen).tables);
    assert_eq!(world.layout.pages(pv_memory::layout::Name::PageTables), tables);
    let free: Vec<_> = world.drain().into_iter().filter(|pfn| tables.contains(*pfn)).collect();
    assert!(matches!(free[..], [_]), "only the L2 table whose place a new one has taken: {free:?}");
    assert!(!hooked.contains_key(&world.built.xen.machine().mfn(free[0]).unwrap()));
}

#[test]
fn a9_a_page_made_writable_again_is_written_through_a_fresh_translation() {
    let mut world = moved(&odd(), Strategy::Copy);
    let (space, _) = world.clean();
    let mut vmalloc = Vmalloc::new(space);
    world.run(|memory, xen| {
        let mut area = vmalloc.allocate(Near::Kernel, 1, memory, xen).unwrap();
        for access in [Access::ReadOnly, Access::Data] {
            vmalloc.protect(&area, &[Rights { first: 0, pages: 1, access }], memory.tables, xen).unwrap();
            let _ = area.span().page(xen, 0)[0];
        }
        area.page_mut(xen, 0)[0] = 1;
    });
}

#[test]
fn a11_a_move_that_runs_out_of_memory_changes_nothing() {
    let mut planted = plant(&odd());
    let list: Vec<Mfn> = frames_of(&planted.built, planted.built.rows.list).collect();
    let free = 10;
    while planted.frames.free_pages() > free {
        let rest = planted.frames.free_pages() - free;
        let _ = planted.frames.take_up_to(Zone::Far(planted.tables.window()), rest).unwrap();
    }
    let failed = planted.revector().unwrap_err();
    assert!(matches!(failed.error, MmError::Frames(_)), "{}", failed.error);
    assert_eq!(failed.frames.free_pages(), free);
    assert_eq!(toolstack::map_p2m(&failed.built.xen).unwrap().leaves, list);
}

#[test]
fn a11_a_range_ends_before_its_end() {
    // The image ends at the end of a 2 MiB slot, in front of it, and after the start of one.
    for pages in [4, 511, 512, 513, 1023, 1024, 1025] {
        let image = ImageShape { pages, text: 1, rodata: 1 };
        let mut world = moved(&Domain { image, ..odd() }, Strategy::Alias);
        world.clean();
        later::assert_high_entries_are_the_images(&world);
        checks::cleaned(&booted(&Domain { image, ..odd() }, ""));
    }
}

#[test]
fn the_walker_of_these_tests_sees_what_the_processor_sees() {
    let built = booted(&odd(), "");
    for leaf in Walk::of(&built.xen).leaves {
        let mapping = built.xen.mapping(VirtAddr::new(leaf.at)).unwrap();
        let (writable, executable) = (mapping.writable, mapping.executable);
        assert_eq!((mapping.mfn, writable, executable), (leaf.mfn, leaf.writable, leaf.executable));
        assert!(built.xen.table_at(VirtAddr::new(leaf.at), Level::L1).is_some());
    }
}
