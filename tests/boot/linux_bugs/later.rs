//! Rows B1 to E8: the years after the first series.

use std::collections::BTreeSet;

use pv_memory::direct_map;
use pv_memory::error::MmError;
use pv_memory::p2m::Slot;
use pv_memory::p2m::Strategy;
use pv_memory::vmalloc::{Near, Vmalloc};
use xen::addr::{Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use xen_model::{Builder, Built, Domain, ImageShape, Ramdisk};

use super::{ODD, booted, frames_of, odd};
use crate::support::stages::{World, drain, moved, plant};
use crate::support::walk::Walk;
use crate::support::{boot, checks, toolstack};

const HIGH: u64 = 0xffff_ffff_8000_0000;
const MODULES: u64 = 0xffff_ffff_a000_0000;

/// Tables of the high mapping, by the walk from outside: nothing but the image's slots may have an entry.
pub(super) fn assert_high_entries_are_the_images(world: &World) {
    let image = world.built.facts.image;
    let slot = |at: u64| at / (1 << 21);
    let allowed = slot(image.start.as_u64())..=slot(image.end_raw() - 1);
    for (at, level) in Walk::of(&world.built.xen).nonzero {
        if at >= HIGH && level <= 2 {
            // The walk names an entry by the first address that it maps.
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
    let all = (0xffff_ffff_ff00_0000_u64 - MODULES) / PAGE_SIZE;
    let (areas, full) = world.run(|memory, xen| {
        let areas: Vec<_> =
            (0..8).map(|_| vmalloc.allocate(Near::Kernel, all / 8 - 1, memory, xen).unwrap()).collect();
        (areas, vmalloc.allocate(Near::Kernel, 1, memory, xen))
    });
    assert_eq!(areas.last().unwrap().guard().as_u64(), 0xffff_ffff_ff00_0000 - PAGE_SIZE);
    assert!(matches!(full, Err(MmError::NoRoom { .. })));
}

#[test]
fn b2_identity_pages_take_no_memory_and_read_as_missing_outside() {
    let hole = PfnRange::new(Pfn::new(0x1800), 0x1400);
    let mut planted = plant(&Domain { holes: vec![hole], ..odd() });
    let free = planted.frames.free_pages();
    for pfn in hole.iter() {
        planted.set(pfn, Slot::Identity).unwrap();
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
        let mut set = |pfn, slot| planted.set(pfn, slot).unwrap();
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
    let nothing = PfnRange::new(Pfn::new(0x3000), 0);
    world.run(|memory, xen| direct_map::extend(memory, &[nothing], xen)).unwrap();
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
    let gone = before.tables.iter().filter(|(table, uses)| after.tables.get(table) != Some(uses));
    assert_eq!(gone.count(), 3, "L1 tables stay, but for the image's: the direct map shows them");
    assert_eq!(before.tables.len(), after.tables.len() + 1, "of two L2 tables, the image needs one");
    let low = |walk: &Walk| walk.within(0, HIGH).copied().collect::<Vec<_>>();
    let (before, after) = (low(&before), low(&after));
    let changed = before.iter().filter(|leaf| !after.contains(leaf)).count();
    assert_eq!(
        changed, 5,
        "below the high mapping, only the aliases of three old and two new tables changed"
    );
}

#[test]
fn c7_nothing_is_left_after_the_image_wherever_the_tables_start() {
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
    let after_end = VirtRange::new(VirtAddr::new(world.built.facts.image.end_raw()), 4 * PAGE_SIZE);
    for page in 0..after_end.pages() {
        let at = VirtAddr::new(after_end.start.as_u64() + page * PAGE_SIZE);
        world.built.xen.update_va_mapping(at, 0).unwrap();
    }
    world.clean();
    assert_high_entries_are_the_images(&world);
}

#[test]
fn d8_what_the_guest_still_uses_is_never_handed_out() {
    for (builder, strategy) in [(Builder::Toolstack, Strategy::Copy), (Builder::Xen, Strategy::Alias)] {
        let mut world = moved(&Domain { builder, ..odd() }, strategy);
        world.clean();
        let rows = world.built.rows.clone();
        let saved = toolstack::map_p2m(&world.built.xen).unwrap();
        let p2m = saved.leaves.iter().chain(&saved.directory);
        let p2m: BTreeSet<_> = p2m.map(|mfn| world.built.xen.machine().pfn(*mfn).unwrap()).collect();
        let hooked = Walk::of(&world.built.xen).tables;
        for pfn in world.drain() {
            let is_old_list = strategy == Strategy::Copy && rows.list.contains(pfn);
            // The L2 table whose place a new one has taken.
            let is_old_table = rows.tables.contains(pfn)
                && !hooked.contains_key(&world.built.xen.machine().mfn(pfn).unwrap());
            assert!(is_old_list || is_old_table || !rows.holds(pfn), "{pfn} belongs to the builder's rows");
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
        let free = drain(&mut world.frames, &world.tables).len() as u64;
        // As many pages of list as before, old or new.
        let tree = world.p2m.own_pages() + rows.list.pages();
        // The builder's L2 table was given back: a new one has taken its place.
        assert_eq!(free + kept - 1 + tree + world.tables.added() as u64, ODD);
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
        assert_eq!(world.set(pfn, Slot::Identity), Err(MmError::NoFrame { pfn }));
        assert_eq!(world.p2m.get(world.tables.window(), &world.built.xen, pfn), Slot::Missing);
    }
}

#[test]
fn e8_an_image_that_ends_past_the_ramdisks_start_is_refused() {
    let mut built = odd().build().unwrap();
    built.facts.image.bytes += PAGE_SIZE;
    let error = boot(&mut built, "").unwrap_err().to_string();
    assert!(error.contains("the end of the kernel image or more"), "{error}");
}
