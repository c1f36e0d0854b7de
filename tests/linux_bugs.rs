//! Every bug that Linux had in this code, as a test that fails if it comes back.
//!
//! Numbers are those of docs/linux-bugs.md, which also lists the ones that cannot apply here, and why.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use revector::addr::{Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use revector::fake::{Built, Domain, ImageShape, Kind, Ramdisk};
use revector::mm::direct_map;
use revector::mm::error::MmError;
use revector::mm::frames::{FrameError, Zone};
use revector::mm::p2m::Slot;
use revector::mm::pte::{Access, Level};
use revector::mm::vmalloc::{Near, Vmalloc};
use revector::options::Strategy;
use revector::xen::start_info::Role;
use support::stages::{World, drain, moved, plant};
use support::walk::Walk;
use support::{boot, checks, toolstack};

const HIGH: u64 = 0xffff_ffff_8000_0000;
const MODULES: u64 = 0xffff_ffff_a000_0000;
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
    let world = moved(&odd(), Strategy::Copy);
    for mfn in frames_of(&world.built, world.built.rows.list) {
        assert!(world.built.xen.frame(mfn).iter().all(|word| *word == u64::MAX), "{mfn}");
    }
}

#[test]
fn a1_the_page_behind_the_last_one_is_missing_and_not_frame_zero() {
    for role in [Role::Guest, Role::InitialDomain] {
        let planted = plant(&Domain { role, ..odd() });
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
    for pfn in world.drain() {
        assert!(!rows.tables.contains(pfn), "{pfn} is a page table");
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
fn a5_the_page_behind_512_gib_is_missing_and_cannot_be_set() {
    let mut planted = plant(&Domain::guest(512 * 1024));
    let last = Pfn::new((1 << 27) - 1);
    let frame = planted.built.xen.machine().mfn(last).map_or(Slot::Missing, Slot::Frame);
    assert_eq!(planted.p2m.get(planted.tables.window(), &planted.built.xen, last), frame);
    let behind = Pfn::new(1 << 27);
    assert_eq!(planted.p2m.get(planted.tables.window(), &planted.built.xen, behind), Slot::Missing);
    let (tables, xen) = (&planted.tables, &mut planted.built.xen);
    let refused = planted.p2m.set(tables, &mut planted.frames, xen, behind, Slot::Missing);
    assert_eq!(refused, Err(MmError::NoFrame { pfn: behind }));
}

#[test]
fn a6_entering_frames_into_holes_until_memory_ends_is_an_error() {
    let pages = 3 << 18;
    let holes = vec![PfnRange::between(Pfn::new(0x2000), Pfn::new(pages))];
    let mut planted = plant(&Domain { pages, holes, ..Domain::guest(0) });
    let _ = planted.frames.take(Zone::Mapped, planted.frames.free_pages().min(3000));
    let frame = Slot::Frame(planted.built.xen.machine().mfn(Pfn::new(1)).unwrap());
    let mut last = Ok(());
    for leaf in 0x2000 / 512..pages / 512 {
        let (tables, xen) = (&planted.tables, &mut planted.built.xen);
        last = planted.p2m.set(tables, &mut planted.frames, xen, Pfn::new(leaf * 512 + 7), frame);
        if last.is_err() {
            break;
        }
    }
    assert!(matches!(last, Err(MmError::Frames(FrameError::Exhausted { .. }))), "{last:?}");
}

#[test]
fn a8_tables_in_the_initial_domains_order_are_all_found_and_none_is_given_away() {
    let mut world = moved(&Domain { role: Role::InitialDomain, ..odd() }, Strategy::Copy);
    world.clean();
    let tables = world.built.rows.tables;
    assert!(world.drain().iter().all(|pfn| !tables.contains(*pfn)));
    assert_eq!(world.layout.pages(revector::mm::layout::Name::PageTables), tables);
}

#[test]
fn a9_a_page_made_writable_again_is_written_through_a_fresh_translation() {
    let mut world = moved(&odd(), Strategy::Copy);
    let (space, _) = world.clean();
    let mut vmalloc = Vmalloc::new(space);
    let (mut memory, xen) = world.memory();
    let mut area = vmalloc.allocate(Near::Kernel, 1, &mut memory, xen).unwrap();
    for access in [Access::ReadOnly, Access::Data] {
        vmalloc.protect(&area, &[(0, 1, access)], memory.tables, xen).unwrap();
        let _ = area.span.page(xen, 0)[0];
    }
    area.span.page_mut(xen, 0)[0] = 1;
}

#[test]
fn a11_a_move_that_runs_out_of_memory_changes_nothing() {
    let mut planted = plant(&odd());
    let list: Vec<Mfn> = frames_of(&planted.built, planted.built.rows.list).collect();
    let free = 10;
    while planted.frames.free_pages() > free {
        let rest = planted.frames.free_pages() - free;
        let _ = planted.frames.take_up_to(Zone::Far, rest).unwrap();
    }
    let failed = planted.revector(Strategy::Copy).unwrap_err();
    assert!(matches!(failed.error, MmError::Frames(_)), "{}", failed.error);
    assert_eq!(failed.frames.free_pages(), free);
    assert_eq!(toolstack::map_p2m(&failed.built.xen).unwrap().leaves, list);
}

#[test]
fn a11_the_page_behind_a_cleared_range_stays() {
    // The image ends exactly at the end of a 2 MiB slot, and exactly behind the start of one.
    for pages in [512, 513, 511, 1024, 1] {
        let image = ImageShape { pages: pages + 4, text: 1, rodata: 1 };
        checks::cleaned(&booted(&Domain { image, ..odd() }, ""));
        let image = ImageShape { pages: pages.max(4), text: 1, rodata: 1 };
        checks::cleaned(&booted(&Domain { image, ..odd() }, "p2m=alias"));
    }
}

/// Tables of the high mapping, by the walk from outside: nothing but the image's slots may have an entry.
fn assert_high_entries_are_the_images(world: &World) {
    let image = world.built.facts.image;
    let slot = |at: u64| at / (1 << 21);
    let allowed = slot(image.start.as_u64())..=slot(image.end_raw() - 1);
    for (at, level) in Walk::of(&world.built.xen).nonzero {
        if at >= HIGH && level <= 2 {
            assert!(allowed.contains(&slot(at)), "L{level} entry for {at:#x} is not zero");
            assert!(level == 2 || image.contains(VirtAddr::new(at)), "L1 entry for {at:#x} is not zero");
        }
    }
}

#[test]
fn b1_every_entry_of_the_module_area_is_zero_and_it_can_be_filled_to_its_end() {
    let domain = Domain { ramdisk: Some(Ramdisk::blank(600 << 20)), ..Domain::guest(3 * 1024) };
    let mut world = moved(&domain, Strategy::Copy);
    let (space, _) = world.clean();
    assert_high_entries_are_the_images(&world);
    let mut vmalloc = Vmalloc::new(space);
    let (mut memory, xen) = world.memory();
    let all = (0xffff_ffff_ff00_0000_u64 - MODULES) / PAGE_SIZE;
    let areas: Vec<_> =
        (0..8).map(|_| vmalloc.allocate(Near::Kernel, all / 8 - 1, &mut memory, xen).unwrap()).collect();
    assert_eq!(areas.last().unwrap().guard().as_u64(), 0xffff_ffff_ff00_0000 - PAGE_SIZE);
    let full = vmalloc.allocate(Near::Kernel, 1, &mut memory, xen);
    assert!(matches!(full, Err(MmError::NoRoom { .. })));
}

#[test]
fn b2_identity_pages_take_no_memory_and_read_as_missing_outside() {
    let hole = PfnRange::new(Pfn::new(0x1800), 0x1400);
    let mut planted = plant(&Domain { holes: vec![hole], ..odd() });
    let free = planted.frames.free_pages();
    for pfn in hole.iter() {
        let (tables, xen) = (&planted.tables, &mut planted.built.xen);
        planted.p2m.set(tables, &mut planted.frames, xen, pfn, Slot::Identity).unwrap();
    }
    assert_eq!(planted.frames.free_pages(), free);
    let saved = toolstack::map_p2m(&planted.built.xen).unwrap();
    assert!(saved.p2m[0x1800..0x2c00].iter().all(|word| *word == u64::MAX));
}

#[test]
fn c1_a_change_in_the_middle_of_a_shared_leaf_changes_one_entry() {
    let hole = PfnRange::new(Pfn::new(0x1800), 0x1400);
    let frame = Slot::Frame(Mfn::new(0x1234));
    for (rest, new) in [(Slot::Missing, frame), (Slot::Identity, frame), (Slot::Identity, Slot::Missing)] {
        let mut planted = plant(&Domain { holes: vec![hole], ..odd() });
        let mut set = |pfn, slot| {
            let (tables, xen) = (&planted.tables, &mut planted.built.xen);
            planted.p2m.set(tables, &mut planted.frames, xen, pfn, slot).unwrap();
        };
        hole.iter().for_each(|pfn| set(pfn, rest));
        let changed = Pfn::new(0x1a00 + 300);
        set(changed, new);
        for pfn in hole.iter() {
            let expected = if pfn == changed { new } else { rest };
            assert_eq!(planted.p2m.get(planted.tables.window(), &planted.built.xen, pfn), expected);
        }
    }
}

#[test]
fn c3_ranges_without_pages_are_accepted() {
    let mut world = moved(&odd(), Strategy::Copy);
    let free = world.frames.free_pages();
    world.frames.reserve(PfnRange::new(Pfn::new(5), 0));
    let World { tables, frames, built, p2m, .. } = &mut world;
    let nothing = PfnRange::new(Pfn::new(0x3000), 0);
    direct_map::extend(tables, &[nothing], frames, &mut built.xen, |xen, window, slot| {
        p2m.leaf_words(window, xen, slot)
    })
    .unwrap();
    assert_eq!(world.frames.free_pages(), free);
    let mut built = odd().build().unwrap();
    built.start_info.mod_len = 0;
    boot(&mut built, "").unwrap();
}

#[test]
fn c5_max_pfn_is_the_number_of_entries() {
    let built = booted(&odd(), "");
    assert_eq!(built.xen.published().unwrap().entries, ODD);
}

#[test]
fn c6_clearing_stops_at_the_end_of_the_last_table() {
    // 1 GiB of ramdisk: the mapping goes on into a second L2 table.
    let domain = Domain { ramdisk: Some(Ramdisk::blank(1 << 30)), ..Domain::guest(4096) };
    let mut world = moved(&domain, Strategy::Alias);
    let before = Walk::of(&world.built.xen);
    world.clean();
    assert_high_entries_are_the_images(&world);
    let after = Walk::of(&world.built.xen);
    assert_eq!(before.tables, after.tables, "tables stay: the direct map shows them");
    let low = |walk: &Walk| walk.within(0, HIGH).copied().collect::<Vec<_>>();
    assert_eq!(low(&before), low(&after), "nothing below the high mapping changed");
}

#[test]
fn c7_nothing_is_left_behind_the_image_wherever_the_tables_start() {
    let mut ends = BTreeSet::new();
    for step in 0..64 {
        let image = ImageShape { pages: 100 + step * 17, text: 40, rodata: 20 };
        let mut world = moved(&Domain { image, ..odd() }, Strategy::Copy);
        ends.insert(world.built.rows.tables.start.raw() % 1024);
        world.clean();
        assert_high_entries_are_the_images(&world);
    }
    assert_eq!(ends.len(), 64);
}

#[test]
fn d2_the_new_list_is_not_in_the_old_one() {
    let world = moved(&odd(), Strategy::Copy);
    let saved = toolstack::map_p2m(&world.built.xen).unwrap();
    let old: BTreeSet<Mfn> = frames_of(&world.built, world.built.rows.list).collect();
    assert!(saved.leaves.iter().all(|leaf| !old.contains(leaf)));
}

#[test]
fn d6_a_slot_with_a_hole_in_it_is_cleared_to_its_last_entry() {
    let mut world = moved(&odd(), Strategy::Copy);
    let behind = VirtRange::new(VirtAddr::new(world.built.facts.image.end_raw()), 4 * PAGE_SIZE);
    for page in 0..behind.pages() {
        let at = VirtAddr::new(behind.start.as_u64() + page * PAGE_SIZE);
        world.built.xen.update_va_mapping(at, 0).unwrap();
    }
    world.clean();
    assert_high_entries_are_the_images(&world);
}

#[test]
fn d8_what_the_guest_still_uses_is_never_handed_out() {
    for (role, strategy) in [(Role::Guest, Strategy::Copy), (Role::InitialDomain, Strategy::Alias)] {
        let mut world = moved(&Domain { role, ..odd() }, strategy);
        world.clean();
        let rows = world.built.rows.clone();
        let saved = toolstack::map_p2m(&world.built.xen).unwrap();
        let p2m = saved.leaves.iter().chain(&saved.directory);
        let p2m: BTreeSet<_> = p2m.map(|mfn| world.built.xen.machine().pfn(*mfn).unwrap()).collect();
        for pfn in world.drain() {
            let is_old_list = strategy == Strategy::Copy && rows.list.contains(pfn);
            assert!(is_old_list || !rows.holds(pfn), "{pfn} belongs to the builder's rows");
            assert!(!p2m.contains(&pfn), "{pfn} belongs to the P2M");
        }
    }
}

#[test]
fn d8_every_page_of_the_domain_is_free_or_accounted_for() {
    for strategy in [Strategy::Copy, Strategy::Alias] {
        let mut world = moved(&odd(), strategy);
        world.clean();
        let rows = world.built.rows.clone();
        let kept =
            [rows.image, rows.ramdisk, rows.start_info, rows.store, rows.console, rows.tables, rows.stack];
        let kept: u64 = kept.iter().map(|row| row.pages()).sum();
        let free = drain(&mut world.frames).len() as u64;
        // As many pages of list as before, old or new.
        let tree = world.p2m.own_pages() + rows.list.pages();
        assert_eq!(free + kept + tree + world.tables.added() as u64, ODD);
    }
}

#[test]
fn e1_frames_above_2_to_34_survive() {
    let first_mfn = Mfn::new((1 << 34) + 0x1_2345);
    for line in ["p2m=copy", "p2m=alias"] {
        checks::cleaned(&booted(&Domain { first_mfn, ..odd() }, line));
    }
}

#[test]
fn e3_the_direct_map_is_never_executable() {
    let built = booted(&odd(), "p2m=alias");
    let walk = Walk::of(&built.xen);
    assert_eq!(walk.within(0xffff_8800_0000_0000, HIGH).find(|leaf| leaf.executable), None);
    checks::nothing_is_writable_and_executable(&walk);
}

#[test]
fn e4_the_hypervisors_slots_are_not_touched() {
    let mut built = odd().build().unwrap();
    let slots = |built: &Built| built.xen.frame(built.xen.root())[256..272].to_vec();
    let before = slots(&built);
    assert!(before.iter().all(|word| word & 1 == 1), "the model fills them");
    boot(&mut built, "").unwrap();
    assert_eq!(slots(&built), before);
}

#[test]
fn e7_a_page_above_the_p2m_is_an_error_and_no_crash() {
    let mut world = moved(&odd(), Strategy::Copy);
    for pfn in [ODD, ODD + 600, 1 << 27, 1 << 50].map(Pfn::new) {
        let World { tables, frames, built, p2m, .. } = &mut world;
        let refused = p2m.set(tables, frames, &mut built.xen, pfn, Slot::Identity);
        assert_eq!(refused, Err(MmError::NoFrame { pfn }));
        assert_eq!(p2m.get(tables.window(), &built.xen, pfn), Slot::Missing);
    }
}

#[test]
fn e8_an_image_that_ends_behind_the_ramdisks_start_is_refused() {
    let mut built = odd().build().unwrap();
    built.facts.image.bytes += PAGE_SIZE;
    let error = boot(&mut built, "").unwrap_err().to_string();
    assert!(error.contains("the end of the kernel image or more"), "{error}");
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
