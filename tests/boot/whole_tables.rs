//! Damage in an L1 table that maps 512 ordinary pages, which the walk otherwise takes at once.
//!
//! Most of a large domain's mapping is such tables. Taking one at once is right only if nothing in it is out of the
//! ordinary, so here each thing that can be is, in the middle of a ramdisk of four slots.

use std::mem;

use crate::support::boot;
use pv_memory::dump::Line;
use pv_memory::layout::Layout;
use pv_memory::walk::{BootTables, WalkError};
use revector::error::BootError;
use xen::addr::{PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use xen::area;
use xen::pte::Level;
use xen::start_info::BootInfo;
use xen_model::{Built, Domain, Ramdisk};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const NEVER_EXECUTE: u64 = 1 << 63;
/// The first page of a table that maps nothing but ramdisk.
const FIRST: Pfn = Pfn::new(1024);
/// A page in the middle of it.
const MIDDLE: Pfn = Pfn::new(1024 + 200);

fn domain() -> Domain {
    Domain { ramdisk: Some(Ramdisk::blank(8 << 20)), ..Domain::guest(64) }
}

/// Frames that follow each other, as they mostly do, and scattered ones: only the former are taken at once.
const SEEDS: [u64; 2] = [0, 1];

fn entry(built: &mut Built, level: Level, pfn: Pfn) -> &mut u64 {
    let at = area::high(pfn);
    let table = built.xen.table_at(at, level).unwrap();
    &mut built.xen.frame_mut(table)[level.index(at)]
}

/// The kind of error is the same, however frames lie.
fn refused(damage: impl Fn(&mut Built)) -> WalkError {
    let [contiguous, scattered] = SEEDS.map(|seed| {
        let mut built = Domain { seed, ..domain() }.build().unwrap();
        damage(&mut built);
        match boot(&mut built, "") {
            Err(BootError::Walk(error)) => error,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(mem::discriminant(&contiguous), mem::discriminant(&scattered));
    contiguous
}

fn wrong_right(error: &WalkError) -> VirtAddr {
    match error {
        WalkError::WrongRight { at, .. } => *at,
        other => panic!("{other}"),
    }
}

#[test]
fn one_read_only_page_or_all_of_them_are_refused() {
    let one = refused(|built| *entry(built, Level::L1, MIDDLE) &= !WRITABLE);
    assert_eq!(wrong_right(&one), area::high(MIDDLE));
    let all =
        refused(|built| (0..512).for_each(|page| *entry(built, Level::L1, FIRST.plus(page)) &= !WRITABLE));
    assert_eq!(wrong_right(&all), area::high(FIRST));
}

#[test]
fn page_tables_that_are_all_writable_are_refused() {
    let tables = domain().rows().unwrap().tables;
    let error = refused(|built| tables.iter().for_each(|pfn| *entry(built, Level::L1, pfn) |= WRITABLE));
    assert_eq!(wrong_right(&error), area::high(tables.start));
}

#[test]
fn two_pages_in_each_others_places_are_refused() {
    let error = refused(|built| {
        let (first, middle) = (*entry(built, Level::L1, FIRST), *entry(built, Level::L1, MIDDLE));
        *entry(built, Level::L1, FIRST) = middle;
        *entry(built, Level::L1, MIDDLE) = first;
    });
    match error {
        WalkError::WrongPage { at, found, .. } => assert_eq!((at, found), (area::high(FIRST), Some(MIDDLE))),
        other => panic!("{other}"),
    }
}

#[test]
fn two_tables_in_each_others_places_are_refused() {
    let second = FIRST.plus(512);
    let error = refused(|built| {
        let tables = [FIRST, second].map(|pfn| *entry(built, Level::L2, pfn));
        *entry(built, Level::L2, FIRST) = tables[1];
        *entry(built, Level::L2, second) = tables[0];
    });
    match error {
        WalkError::WrongPage { at, found, .. } => assert_eq!((at, found), (area::high(FIRST), Some(second))),
        other => panic!("{other:?}"),
    }
}

/// A list that has contiguous frames too, but those of other pages.
#[test]
fn a_list_that_has_other_frames_for_a_whole_table_is_refused() {
    for seed in SEEDS {
        let mut built = Domain { seed, ..domain() }.build().unwrap();
        for page in 0..512 {
            let other = built.xen.machine().mfn(FIRST.plus(512 + page)).unwrap();
            let list = built.rows.list.start.plus(FIRST.raw() / 512);
            let leaf = built.xen.machine().mfn(list).unwrap();
            built.xen.frame_mut(leaf)[page as usize] = other.raw();
        }
        match boot(&mut built, "") {
            Err(BootError::Walk(WalkError::NotListed { pfn, .. })) => assert_eq!(pfn, FIRST),
            other => panic!("{other:?}"),
        }
    }
}

/// Tables and list agree on contiguous frames, but M2P gives them to other pages.
#[test]
fn a_whole_table_of_frames_that_m2p_gives_to_other_pages_is_refused() {
    let second = FIRST.plus(512);
    let error = refused(|built| {
        let leaves = [FIRST, second].map(|pfn| {
            let list = built.rows.list.start.plus(pfn.raw() / 512);
            built.xen.machine().mfn(list).unwrap()
        });
        let lists = leaves.map(|leaf| *built.xen.frame(leaf));
        let tables = [FIRST, second].map(|pfn| *entry(built, Level::L2, pfn));
        for (other, pfn) in [(1, FIRST), (0, second)] {
            *built.xen.frame_mut(leaves[1 - other]) = lists[other];
            *entry(built, Level::L2, pfn) = tables[other];
        }
    });
    assert!(matches!(error, WalkError::WrongPage { at, .. } if at == area::high(FIRST)), "{error}");
}

#[test]
fn an_absent_entry_that_keeps_its_frame_is_a_hole() {
    let error = refused(|built| *entry(built, Level::L1, MIDDLE) &= !PRESENT);
    assert_eq!(error, WalkError::Hole { at: area::high(MIDDLE) });
}

#[test]
fn a_table_one_slot_too_high_leaves_a_hole() {
    let error = refused(|built| {
        let table = *entry(built, Level::L2, FIRST);
        *entry(built, Level::L2, FIRST.plus(512)) = table;
        *entry(built, Level::L2, FIRST) = 0;
    });
    assert_eq!(error, WalkError::Hole { at: area::high(FIRST) });
}

#[test]
fn a_page_with_other_rights_has_a_line_of_its_own() {
    let mut built = domain().build().unwrap();
    *entry(&mut built, Level::L1, MIDDLE) |= NEVER_EXECUTE;
    let Built { xen, start_info, facts, .. } = &mut built;
    let info = BootInfo::parse(start_info, *facts, xen).unwrap();
    let layout = Layout::plan(&info).unwrap();
    let mut lines: Vec<Line> = Vec::new();
    BootTables::walk(&layout, facts, xen, |line| lines.push(line)).unwrap();
    let own = VirtRange::new(area::high(MIDDLE), PAGE_SIZE);
    let own = lines.iter().find(|line| line.range == own).expect("a line of its own");
    assert!(own.to_string().contains("NX"), "{own}");
}
