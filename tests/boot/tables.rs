//! The check that the module area is empty: it finds whatever is left in it, and nothing beside it.

use crate::support::stages::{World, moved};
use pv_memory::error::MmError;
use pv_memory::p2m::Strategy;
use xen::addr::VirtAddr;
use xen::area;
use xen::pte::Level;
use xen_model::{Domain, Ramdisk};

const SLOT: u64 = 2 << 20;
const MODULES: u64 = 0xffff_ffff_a000_0000;
const MODULES_END: u64 = 0xffff_ffff_ff00_0000;
const LAST_GIB: u64 = 0xffff_ffff_c000_0000;

/// A domain whose module area is clean.
fn cleaned() -> World {
    let ramdisk = Some(Ramdisk::blank(520 << 20));
    let mut world = moved(&Domain { ramdisk, ..Domain::guest(1024) }, Strategy::Copy);
    world.clean();
    world
}

/// Writes a word into the table of `level` that covers `at`, as no hypercall would; then looks.
fn found_with(world: &mut World, at: u64, level: Level, word: u64) -> Option<(u64, Level, u64)> {
    let here = VirtAddr::new(at);
    let table = world.built.xen.table_at(here, level).unwrap();
    let before = world.built.xen.frame(table)[level.index(here)];
    world.built.xen.frame_mut(table)[level.index(here)] = word;
    let found = world.tables.first_entry(&world.built.xen, area::MODULES).unwrap();
    world.built.xen.frame_mut(table)[level.index(here)] = before;
    found.map(|(at, level, entry)| (at.as_u64(), level, entry.word()))
}

#[test]
fn a_word_in_any_slot_of_the_module_area_is_found_and_none_beside_it() {
    let mut world = cleaned();
    assert_eq!(world.tables.first_entry(&world.built.xen, area::MODULES), Ok(None));
    // A present entry would have to lead somewhere; any bit is too much.
    for at in [MODULES, MODULES + SLOT, MODULES + 77 * SLOT, LAST_GIB - SLOT] {
        assert_eq!(found_with(&mut world, at, Level::L2, 0x40), Some((at, Level::L2, 0x40)));
    }
    assert_eq!(found_with(&mut world, MODULES - SLOT, Level::L2, 0x40), None);
    assert_eq!(found_with(&mut world, LAST_GIB, Level::L3, 0x40), Some((LAST_GIB, Level::L3, 0x40)));
}

#[test]
fn the_area_ends_where_it_ends() {
    let mut world = cleaned();
    // The last GiB has a table of its own once something was mapped there.
    world.run(|memory, xen| {
        let mut growth = pv_memory::growth::Growth::new(memory.tables);
        let (last, reach) = (VirtAddr::new(LAST_GIB), xen::pte::Reach::Inherit);
        let made = growth.table(xen, memory.frames, last, Level::L2, reach).map(drop);
        growth.commit(made, memory.frames, xen).unwrap();
    });
    for at in [LAST_GIB, MODULES_END - SLOT] {
        assert_eq!(found_with(&mut world, at, Level::L2, 0x40), Some((at, Level::L2, 0x40)));
    }
    assert_eq!(found_with(&mut world, MODULES_END, Level::L2, 0x40), None);
}

#[test]
fn a_cleanup_that_leaves_something_in_the_module_area_is_an_error_that_names_it() {
    let ramdisk = Some(Ramdisk::blank(520 << 20));
    let mut world = moved(&Domain { ramdisk, ..Domain::guest(1024) }, Strategy::Copy);
    // An image that would fill a slot of the area keeps it.
    let mut image = world.built.facts.image;
    image.bytes = MODULES + SLOT - image.start.as_u64();
    let retired = world.retired.take().unwrap();
    let outcome = world.run(|memory, xen| retired.clean(image, memory, xen));
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, MmError::Leftover { at, level: Level::L2, .. } if at.as_u64() == MODULES),
        "{error}"
    );
}
