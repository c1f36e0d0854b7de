//! Each damage to the mapping that a P2M list has of its own (`INIT_P2M`) has its own error.
//!
//! Nothing maps these tables, so the builder's word for them is checked only by the walk in `builder_list`. Damage is
//! done to pages of the list that no earlier stage reads: those would end the boot there.

use crate::support::boot;
use crate::support::stages::moved;
use pv_memory::error::{ListError, MmError};
use pv_memory::p2m::Strategy;
use revector::error::BootError;
use xen::addr::{Pfn, PfnRange, VirtAddr};
use xen::area;
use xen::pte::Level;
use xen_model::{Built, Domain, Notes};

const LIST: u64 = 0x80_0000_0000;
/// Pages of the list: 64 MiB are 16,384 entries.
const PAGES: u64 = 32;
/// A page of the list in the middle of what is not read early.
const MIDDLE: u64 = 20;

fn address(page: u64) -> VirtAddr {
    VirtAddr::new(LIST + page * 4096)
}

fn entry(built: &mut Built, page: u64) -> &mut u64 {
    let table = built.xen.table_at(address(page), Level::L1).unwrap();
    &mut built.xen.frame_mut(table)[Level::L1.index(address(page))]
}

fn domain(mib: u64) -> Domain {
    Domain { notes: Notes::BOTH, ..Domain::guest(mib) }
}

fn refused(damage: impl FnOnce(&mut Built)) -> ListError {
    refused_of(64, damage)
}

fn refused_of(mib: u64, damage: impl FnOnce(&mut Built)) -> ListError {
    let mut built = domain(mib).build().unwrap();
    damage(&mut built);
    match boot(&mut built, "") {
        Err(BootError::Memory(_, MmError::List(error))) => error,
        other => panic!("{other:?}"),
    }
}

/// Puts another frame into an entry, with the rights that it has.
fn with_frame(entry: u64, mfn: u64) -> u64 {
    entry & !0x000f_ffff_ffff_f000 | mfn << 12
}

#[test]
fn a_missing_page_is_a_hole_and_a_missing_last_one_an_early_end() {
    let hole = refused(|built| *entry(built, MIDDLE) = 0);
    assert_eq!(hole, ListError::Hole { at: address(MIDDLE) });
    let end = refused(|built| *entry(built, PAGES - 1) = 0);
    assert_eq!(end, ListError::End { expected: address(PAGES), found: address(PAGES - 1) });
}

#[test]
fn a_page_after_the_last_is_a_late_end() {
    let end = refused(|built| {
        built.start_info.nr_p2m_frames += 1;
        let after = Pfn::new(built.start_info.first_p2m_pfn + built.start_info.nr_p2m_frames - 1);
        let mfn = built.xen.machine().mfn(after).unwrap().raw();
        let last = *entry(built, PAGES - 1);
        *entry(built, PAGES) = with_frame(last, mfn);
    });
    assert_eq!(end, ListError::End { expected: address(PAGES), found: address(PAGES + 1) });
}

#[test]
fn a_frame_of_nobody_and_a_page_outside_the_list_are_named() {
    let foreign = |built: &Built| built.xen.machine().foreign_at(Pfn::new(3));
    let frame =
        refused(|built| *entry(built, MIDDLE) = with_frame(*entry(built, MIDDLE), foreign(built).raw()));
    assert!(matches!(frame, ListError::Frame { at, .. } if at == address(MIDDLE)), "{frame}");
    let image = |built: &Built| built.xen.machine().mfn(Pfn::new(3)).unwrap();
    let page = refused(|built| *entry(built, MIDDLE) = with_frame(*entry(built, MIDDLE), image(built).raw()));
    assert!(
        matches!(page, ListError::Page { at, pages, .. } if at == address(MIDDLE) && pages.start.raw() == 3),
        "{page}"
    );
}

#[test]
fn a_page_that_is_mapped_twice_is_named_at_its_second_address() {
    let page = refused(|built| *entry(built, MIDDLE) = *entry(built, MIDDLE - 1));
    assert!(matches!(page, ListError::Page { at, .. } if at == address(MIDDLE)), "{page}");
}

#[test]
fn a_read_only_page_is_named() {
    let read_only = refused(|built| *entry(built, MIDDLE) &= !2);
    assert!(matches!(read_only, ListError::ReadOnly { at, .. } if at == address(MIDDLE)), "{read_only}");
}

#[test]
fn a_page_that_is_neither_list_nor_table_is_counted() {
    let count = refused(|built| built.start_info.nr_p2m_frames += 1);
    assert!(matches!(count, ListError::Count { found, row } if found + 1 == PfnRange::pages(row)), "{count}");
}

/// In a domain of 1 GiB the list fills an L1 table, whose frames are compared at once.
#[test]
fn a_frame_of_the_image_that_the_list_itself_names_is_refused() {
    let page = refused_of(1024, |built| {
        let image = built.xen.machine().mfn(Pfn::new(3)).unwrap().raw();
        let page = built.rows.list_runs().flat_map(PfnRange::iter).nth(200).unwrap();
        *entry(built, 200) = with_frame(*entry(built, 200), image);
        *built.list_entry(page) = image;
    });
    assert!(
        matches!(page, ListError::Page { at, pages, .. } if at == address(200) && pages.start.raw() == 3),
        "{page}"
    );
}

/// The list can be read there; but what stage 8 maps would be mapped among its tables.
#[test]
fn a_list_in_a_slot_that_has_another_use_is_refused() {
    let mut built = domain(64).build().unwrap();
    let root = built.xen.table_at(address(0), Level::L4).unwrap();
    let words = built.xen.frame_mut(root);
    words[Level::L4.index(area::VMALLOC.start)] = words[Level::L4.index(address(0))];
    built.start_info.mfn_list = area::VMALLOC.start.as_u64();
    let error = boot(&mut built, "").unwrap_err().to_string();
    assert!(error.starts_with("start_info.mfn_list"), "{error}");
}

#[test]
fn list_and_tables_are_free_pages_after_the_move() {
    let mut world = moved(&domain(64), Strategy::Copy);
    let (before, image) = (world.frames.free_pages(), world.built.facts.image);
    let retired = world.retired.take().unwrap();
    let (_, cleaned) = world.run(|memory, xen| retired.clean(image, memory, xen)).unwrap();
    assert_eq!((cleaned.freed, cleaned.tables), (PAGES, 3));
    assert_eq!(world.frames.free_pages() - before, PAGES + 3);
}
