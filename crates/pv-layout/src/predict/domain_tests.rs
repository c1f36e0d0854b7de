//! Tests of `domain` with layouts that real builders have printed.

use super::*;

/// A kernel of the initial domain as Debian 12 builds it: 58 MiB, with both notes.
const LINUX: Kernel = Kernel {
    base: HIGH,
    start: 0xffff_ffff_8100_0000,
    end: 0xffff_ffff_84a0_0000,
    list_at: Some(0x80_0000_0000),
    ramdisk: RamdiskPlace::Unmapped,
};

fn guest(mib: u64, kernel_pages: u64, ramdisk: Option<u64>) -> Domain {
    let kernel = Kernel::of_pages(kernel_pages);
    Domain { builder: Builder::Toolstack, pages: mib * 256, kernel, ramdisk }
}

fn row(plan: &Plan, kind: Kind) -> Placed {
    *plan.rows.iter().find(|row| row.kind == kind).expect("there is such a row")
}

#[test]
fn the_357a3cfb_guest_has_the_rows_of_its_log() {
    let plan = guest(131_072, 0xe43, Some(0x1_0784 * PAGE)).plan().unwrap();
    let rows: Vec<_> = plan.rows.iter().map(|row| (row.address.unwrap(), row.pfn, row.pages)).collect();
    let expected = [
        (0xffff_ffff_8100_0000, 0x1000, 0xe43),
        (0xffff_ffff_81e4_3000, 0x1e43, 0x1_0784),
        (0xffff_ffff_925c_7000, 0x1_25c7, 0x1_0000),
        (0xffff_ffff_a25c_7000, 0x2_25c7, 1),
        (0xffff_ffff_a25c_8000, 0x2_25c8, 1),
        (0xffff_ffff_a25c_9000, 0x2_25c9, 1),
        (0xffff_ffff_a25c_a000, 0x2_25ca, 0x117),
        (0xffff_ffff_a26e_1000, 0x2_26e1, 1),
    ];
    assert_eq!(rows, expected);
    assert_eq!((plan.alloc_end, plan.mapped_end), (0xffff_ffff_a26e_2000, 0xffff_ffff_a280_0000));
    assert_eq!(plan.tables, TableCounts([276, 1, 1, 1]));
}

/// Xen 4.17's log of an initial domain: `Page tables: ffffffff84a01000->ffffffff84a2a000`, `TOTAL: ...84c00000`, an
/// allocation of 128 MiB, 2116 pages of ramdisk, 417724 pages to be allocated.
#[test]
fn an_initial_domain_with_both_notes_is_laid_out_as_xen_prints_it() {
    let pages = 32_768 + 2_116 + 417_724;
    let domain = Domain { builder: Builder::Xen, pages, kernel: LINUX, ramdisk: Some(0x84_3db4) };
    let plan = domain.plan().unwrap();
    assert_eq!(row(&plan, Kind::StartInfo).address, Some(0xffff_ffff_84a0_0000));
    assert_eq!(row(&plan, Kind::PageTables).address, Some(0xffff_ffff_84a0_1000));
    assert_eq!(row(&plan, Kind::PageTables).pages, 0x29);
    assert_eq!(plan.mapped_end, 0xffff_ffff_84c0_0000);
    let ramdisk = row(&plan, Kind::Ramdisk);
    assert_eq!((ramdisk.pfn, ramdisk.pages, ramdisk.address), (32_768, 2_116, None));
    let list = row(&plan, Kind::P2m);
    assert_eq!((list.pfn, list.pages, list.address), (34_884, 0x374, Some(0x80_0000_0000)));
    assert!(plan.rows.iter().all(|row| !matches!(row.kind, Kind::Xenstore | Kind::Console)));
}

/// Xen 4.17's log of this project's image: `Page tables: ffffffff8111c000->ffffffff81129000`.
#[test]
fn an_initial_domain_without_notes_has_one_page_before_its_tables() {
    let plan = Domain { builder: Builder::Xen, ..guest(256, 0x9b, None) }.plan().unwrap();
    let tables = row(&plan, Kind::PageTables);
    assert_eq!((tables.address, tables.pages), (Some(0xffff_ffff_8111_c000), 0xd));
    assert_eq!(plan.mapped_end, 0xffff_ffff_8140_0000);
}

#[test]
fn the_toolstack_puts_what_it_does_not_map_after_its_mapping() {
    let plan = Domain { kernel: LINUX, ..guest(1024, 0, Some(5000)) }.plan().unwrap();
    let first_free = (plan.mapped_end - HIGH) / PAGE;
    assert_eq!(row(&plan, Kind::Ramdisk).pfn, first_free);
    assert_eq!(row(&plan, Kind::P2m).pfn, first_free + 2);
    assert_eq!(plan.list_tables, Some(TableCounts([1, 1, 1, 0])));
}

#[test]
fn the_toolstack_ignores_a_list_address_that_it_cannot_use_and_xen_does_not() {
    for list_at in [Some(0x80_0000_0001), Some(HIGH + (64 << 20))] {
        let kernel = Kernel { list_at, ..Kernel::of_pages(100) };
        let domain = Domain { kernel, ..guest(64, 0, None) };
        assert_eq!(domain.list_address(), None);
        assert_eq!(Domain { builder: Builder::Xen, ..domain }.list_address(), list_at);
    }
}

#[test]
fn a_list_that_ends_past_the_last_address_is_refused_and_one_that_ends_there_is_not() {
    let with = |list_at| {
        let kernel = Kernel { list_at: Some(list_at), ..Kernel::of_pages(100) };
        Domain { kernel, ..guest(64, 0, None) }.plan()
    };
    let last = (1 << 48) - 0x20 * PAGE;
    assert!(with(last).is_ok());
    assert_eq!(with(last + PAGE), Err(Refusal::NoAddresses));
}

#[test]
fn a_domain_that_is_too_small_is_refused_and_the_next_larger_one_is_not() {
    let needed = match guest(1, 0xe43, None).plan() {
        Err(Refusal::NoMemory { needed, .. }) => needed,
        other => panic!("{other:?}"),
    };
    let pages = |pages| Domain { pages, ..guest(0, 0xe43, None) }.plan();
    assert!(pages(needed).is_ok() && pages(needed - 1).is_err());
}

/// 5012 bytes of ramdisk and 16,384 pages, by GRUB 2.06: what its guest found.
#[test]
fn grub_has_the_console_first_no_stack_and_three_more_tables() {
    let domain = Domain { builder: Builder::Grub, ..guest(64, 0x65, Some(5012)) };
    let plan = domain.plan().unwrap();
    let pfns =
        [Kind::StartInfo, Kind::Console, Kind::Xenstore, Kind::PageTables].map(|kind| row(&plan, kind).pfn);
    assert_eq!(pfns, [0x1087, 0x1088, 0x1089, 0x108a]);
    assert_eq!((plan.tables, row(&plan, Kind::PageTables).pages), (TableCounts([11, 2, 2, 1]), 0x10));
    assert!(plan.rows.iter().all(|row| row.kind != Kind::BootStack));
    assert_eq!((plan.alloc_end, plan.mapped_end), (0xffff_ffff_8109_a000, 0xffff_ffff_8140_0000));
}

/// GRUB keeps its L3, L2 and L1 table for address 0, so that a list near it needs none of its own.
#[test]
fn a_list_of_grubs_near_address_0_shares_its_tables() {
    let tables = |list_at| {
        let kernel = Kernel { list_at: Some(list_at), ..Kernel::of_pages(0x65) };
        Domain { builder: Builder::Grub, kernel, ..guest(64, 0, None) }.plan().unwrap().list_tables
    };
    assert_eq!(tables(0x80_0000_0000), Some(TableCounts([1, 1, 1, 0])));
    assert_eq!(tables(0x4000_0000), Some(TableCounts([1, 1, 0, 0])));
    assert_eq!(tables(0x10_0000), Some(TableCounts([0, 0, 0, 0])));
}

/// Whatever is mapped lies where the toolstack has it; what is not, after Xen's power of two.
#[test]
fn pv_shim_builds_as_xen_does_with_two_rings() {
    let kernel = Kernel { list_at: Some(0x80_0000_0000), ..Kernel::of_pages(0x65) };
    let shim = Domain { builder: Builder::Shim, kernel, ..guest(128, 0, Some(5012)) };
    let plan = shim.plan().unwrap();
    let toolstacks = Domain { builder: Builder::Toolstack, ..shim }.plan().unwrap();
    let mapped =
        |plan: &Plan| -> Vec<_> { plan.rows.iter().filter(|row| row.kind != Kind::P2m).copied().collect() };
    assert_eq!(mapped(&plan), mapped(&toolstacks));
    assert_eq!((row(&plan, Kind::P2m).pfn, row(&toolstacks, Kind::P2m).pfn), (0x2002, 0x1400));
}

/// As the list grows to 30 GiB, so do its own tables, and nothing in the initial mapping.
#[test]
fn with_its_note_the_largest_domains_list_is_in_nobodys_way() {
    let kernel = Kernel { list_at: Some(0x80_0000_0000), ..Kernel::of_pages(0x65) };
    let plan = |tib: u64| Domain { kernel, ..guest(tib << 20, 0, None) }.plan().unwrap();
    let (small, large) = (plan(1), plan(15));
    assert_eq!((small.alloc_end, small.mapped_end), (large.alloc_end, large.mapped_end));
    let list = row(&large, Kind::P2m);
    assert_eq!((list.pages, list.address), (15 << 19, Some(0x80_0000_0000)));
    assert_eq!(large.list_tables, Some(TableCounts([15 << 10, 30, 1, 0])));
    let without = Domain { kernel: Kernel::of_pages(0x65), ..guest(1 << 20, 0, None) }.plan();
    assert_eq!(without, Err(Refusal::NoAddresses));
    assert!(Refusal::NoAddresses.to_string().contains("INIT_P2M"));
}

#[test]
fn a_mapping_that_ends_on_its_boundary_with_all_its_padding_is_not_made_larger() {
    // 4 + 2 tables and a stack after `used`, then exactly 128 pages up to 4 MiB.
    let used = HIGH + (4 << 20) - (5 + 1 + 128) * PAGE;
    let exact = tables::initial_mapping(Builder::Toolstack, HIGH, used).unwrap();
    assert_eq!(exact.end, HIGH + (4 << 20));
    assert_eq!(tables::initial_mapping(Builder::Toolstack, HIGH, used + PAGE).unwrap().end, HIGH + (8 << 20));
}

#[test]
fn an_image_off_its_base_or_a_mapping_past_the_last_address_is_refused() {
    let below = Kernel { start: HIGH - PAGE, ..Kernel::of_pages(1) };
    let odd = Kernel { start: HIGH + 1, ..Kernel::of_pages(1) };
    for kernel in [below, odd] {
        let refused = Domain { kernel, ..guest(64, 0, None) }.plan();
        assert!(matches!(refused, Err(Refusal::BadImage { .. })), "{refused:?}");
    }
    assert_eq!(guest(2 << 20, 100, Some(1 << 31)).plan(), Err(Refusal::NoAddresses));
}
