//! Tests of `rows` with logs in the dialects of Xen 4.1 and of Xen 4.14 to 4.20.

use super::Layout;
use crate::predict::domain::{Builder, Domain, Kernel, RamdiskPlace};

/// A guest of 128 GiB under the dialect of Xen 4.1: P2M after the ramdisk.
const OLD: &str = "\
xc_dom_build_image: called
xc_dom_alloc_segment:   kernel       : 0xffffffff81000000 -> 0xffffffff81e43000  (pfn 0x1000 + 0xe43 pages)
xc_dom_pfn_to_ptr: domU mapping: pfn 0x1000+0xe43 at 0x7f097d8bf000
xc_dom_alloc_segment:   ramdisk      : 0xffffffff81e43000 -> 0xffffffff925c7000  (pfn 0x1e43 + 0x10784 pages)
xc_dom_alloc_segment:   phys2mach    : 0xffffffff925c7000 -> 0xffffffffa25c7000  (pfn 0x125c7 + 0x10000 pages)
xc_dom_alloc_page   :   start info   : 0xffffffffa25c7000 (pfn 0x225c7)
xc_dom_alloc_page   :   xenstore     : 0xffffffffa25c8000 (pfn 0x225c8)
xc_dom_alloc_page   :   console      : 0xffffffffa25c9000 (pfn 0x225c9)
nr_page_tables: 0x0000ffffffffffff/48: 0xffff000000000000 -> 0xffffffffffffffff, 1 table(s)
nr_page_tables: 0x0000007fffffffff/39: 0xffffff8000000000 -> 0xffffffffffffffff, 1 table(s)
nr_page_tables: 0x000000003fffffff/30: 0xffffffff80000000 -> 0xffffffffbfffffff, 1 table(s)
nr_page_tables: 0x00000000001fffff/21: 0xffffffff80000000 -> 0xffffffffa27fffff, 276 table(s)
xc_dom_alloc_segment:   page tables  : 0xffffffffa25ca000 -> 0xffffffffa26e1000  (pfn 0x225ca + 0x117 pages)
xc_dom_alloc_page   :   boot stack   : 0xffffffffa26e1000 (pfn 0x226e1)
xc_dom_build_image  : virt_alloc_end : 0xffffffffa26e2000
xc_dom_build_image  : virt_pgtab_end : 0xffffffffa2800000
";

const GUEST: [&str; 13] = [
    "[    0.000100] boot: revector",
    "[    0.001234] layout: kernel       : 0xffffffff81000000 -> 0xffffffff81e43000  (pfn 0x1000 + 0xe43 pages)",
    "[    0.001234] layout: ramdisk      : 0xffffffff81e43000 -> 0xffffffff925c7000  (pfn 0x1e43 + 0x10784 pages)",
    "[    0.001234] layout: phys2mach    : 0xffffffff925c7000 -> 0xffffffffa25c7000  (pfn 0x125c7 + 0x10000 pages)",
    "[    0.001234] layout: start info   : 0xffffffffa25c7000  (pfn 0x225c7)",
    "[    0.001234] layout: xenstore     : 0xffffffffa25c8000  (pfn 0x225c8)",
    "[    0.001234] layout: console      : 0xffffffffa25c9000  (pfn 0x225c9)",
    "[    0.001234] layout: page tables  : 0xffffffffa25ca000 -> 0xffffffffa26e1000  (pfn 0x225ca + 0x117 pages)",
    "[    0.001234] layout: boot stack   : 0xffffffffa26e1000  (pfn 0x226e1)",
    "[    0.001234] layout: virt_alloc_end : 0xffffffffa26e2000",
    "[    0.001234] layout: virt_pgtab_end : 0xffffffffa2800000",
    "[    0.002345] walk: tables: L4 1, L3 1, L2 1, L1 276",
    "Test result: SUCCESS",
];

fn differences_with(from: &str, to: &str) -> Vec<String> {
    let guest: Vec<_> = GUEST.iter().map(|line| line.replace(from, to)).collect();
    Layout::differences(&Layout::of_toolstack(OLD), &Layout::of_guest(&guest))
}

#[test]
fn equal_layouts_have_no_differences() {
    assert_eq!(differences_with("", ""), Vec::<String>::new());
}

#[test]
fn both_dialects_give_the_same_layout() {
    let new = OLD
        .lines()
        .filter(|line| !line.contains("/48:"))
        .map(|line| format!("domainbuilder: detail: {}\n", line.replace("nr_page_tables", "count_pgtables")))
        .collect::<String>();
    assert_eq!(Layout::of_toolstack(&new), Layout::of_toolstack(OLD));
}

#[test]
fn one_page_of_difference_is_found_and_named() {
    let found = differences_with(
        "0xffffffffa26e1000  (pfn 0x225ca + 0x117 pages)",
        "0xffffffffa26e0000  (pfn 0x225ca + 0x116 pages)",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("'page tables'") && found[0].contains("0x117") && found[0].contains("0x116"));
}

#[test]
fn a_page_in_another_frame_is_found() {
    assert_eq!(differences_with("(pfn 0x225c9)", "(pfn 0x225ca)").len(), 1);
}

#[test]
fn a_missing_row_is_found() {
    assert_eq!(
        differences_with("layout: console", "other: console"),
        [
            "row 'console': toolstack 0xffffffffa25c9000 -> 0xffffffffa25ca000 (pfn 0x225c9 + 0x1 pages), guest nothing"
        ]
    );
}

#[test]
fn an_extra_row_is_found() {
    let mut guest = GUEST.to_vec();
    guest.push("[    0.1] layout: hole : 0x1000 -> 0x2000 (pfn 0x1 + 0x1 pages)");
    let found = Layout::differences(&Layout::of_toolstack(OLD), &Layout::of_guest(&guest));
    assert_eq!(found, ["row 'hole': toolstack nothing, guest 0x1000 -> 0x2000 (pfn 0x1 + 0x1 pages)"]);
}

#[test]
fn marks_and_table_counts_are_compared_too() {
    assert_eq!(differences_with("0xffffffffa2800000", "0xffffffffa2a00000").len(), 1);
    assert_eq!(differences_with("L1 276", "L1 277"), ["tables 'L1': toolstack 276, guest 277"]);
}

#[test]
fn tables_for_a_p2m_elsewhere_are_not_those_of_the_initial_mapping() {
    let log = "\
domainbuilder: detail: count_pgtables: 0x00000000001fffff/21: 0x0000ffff80000000 -> 0x0000ffff84bfffff, 38 table(s)
domainbuilder: detail: count_pgtables: 0x00000000001fffff/21: 0x0000008000000000 -> 0x00000080001fffff, 1 table(s)
";
    let layout = Layout::of_toolstack(log);
    assert_eq!((layout.tables[0], layout.tables[3]), (Some(38), Some(1)));
}

#[test]
fn a_count_made_again_for_the_same_place_replaces_the_first() {
    let log = "\
domainbuilder: detail: count_pgtables: 0x00000000001fffff/21: 0x0000ffff80000000 -> 0x0000ffffa03fffff, 258 table(s)
domainbuilder: detail: count_pgtables: 0x00000000001fffff/21: 0x0000ffff80000000 -> 0x0000ffffa07fffff, 260 table(s)
";
    assert_eq!(Layout::of_toolstack(log).tables[0], Some(260));
}

/// Both notes: a log of Xen 4.17, and what the guest found. The list's three tables come after it.
#[test]
fn a_list_elsewhere_and_an_unmapped_ramdisk_are_the_same_rows_for_toolstack_guest_and_prediction() {
    let toolstack = "\
xc: detail: ELF: note: INIT_P2M = 0x8000000000
xc: detail: ELF: note: MOD_START_PFN = 0x1
domainbuilder: detail: xc_dom_build_image: called
domainbuilder: detail: xc_dom_alloc_segment:   kernel       : 0xffffffff81000000 -> 0xffffffff810c9000  (pfn 0x1000 + 0xc9 pages)
domainbuilder: detail: count_pgtables: 0x0000007fffffffff/39: 0x0000ff8000000000 -> 0x0000ffffffffffff, 1 table(s)
domainbuilder: detail: count_pgtables: 0x000000003fffffff/30: 0x0000ffff80000000 -> 0x0000ffffbfffffff, 1 table(s)
domainbuilder: detail: count_pgtables: 0x00000000001fffff/21: 0x0000ffff80000000 -> 0x0000ffff813fffff, 10 table(s)
domainbuilder: detail: xc_dom_build_image  : virt_alloc_end : 0xffffffff810da000
domainbuilder: detail: xc_dom_build_image  : virt_pgtab_end : 0xffffffff81400000
domainbuilder: detail: xc_dom_alloc_segment:   module0      : 0xffffffff81400000 -> 0xffffffff81401394  (pfn 0x1400 + 0x2 pages)
domainbuilder: detail: count_pgtables: 0x0000007fffffffff/39: 0x0000008000000000 -> 0x000000ffffffffff, 1 table(s)
domainbuilder: detail: count_pgtables: 0x000000003fffffff/30: 0x0000008000000000 -> 0x000000803fffffff, 1 table(s)
domainbuilder: detail: count_pgtables: 0x00000000001fffff/21: 0x0000008000000000 -> 0x00000080001fffff, 1 table(s)
domainbuilder: detail: xc_dom_alloc_segment:   phys2mach    : 0xffffffff81402000 -> 0xffffffff81425000  (pfn 0x1402 + 0x23 pages)
";
    let guest = [
        "[    0.024835] layout: kernel       : 0xffffffff81000000 -> 0xffffffff810c9000  (pfn 0x1000 + 0xc9 pages)",
        "[    0.025176] layout: ramdisk      : not mapped  (pfn 0x1400 + 0x2 pages)",
        "[    0.025196] layout: phys2mach    : 0x0000008000000000 -> 0x0000008000020000  (pfn 0x1402 + 0x23 pages)",
        "[    0.025422] layout: virt_alloc_end: 0xffffffff810da000",
        "[    0.044674] walk: tables: L4 1, L3 1, L2 1, L1 10",
        "[    0.044788] layout: virt_pgtab_end: 0xffffffff81400000",
    ];
    let (toolstack, guest) = (Layout::of_toolstack(toolstack), Layout::of_guest(&guest));
    assert_eq!(Layout::differences(&toolstack, &guest), Vec::<String>::new());
    let kernel =
        Kernel { list_at: Some(0x80_0000_0000), ramdisk: RamdiskPlace::Unmapped, ..Kernel::of_pages(0xc9) };
    let domain = Domain { builder: Builder::Toolstack, pages: 0x4000, kernel, ramdisk: Some(5012) };
    let predicted = Layout::of_plan(&domain.plan().unwrap()).limited_to(&guest);
    let found = Layout::differences_of(("guest", &guest), ("prediction", &predicted));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn spacing_does_not_count() {
    assert_eq!(differences_with("layout: start info   :", "layout:  start  info:"), Vec::<String>::new());
}

#[test]
fn an_empty_toolstack_log_is_no_agreement() {
    let empty: [&str; 0] = [];
    assert!(!Layout::differences(&Layout::of_toolstack(""), &Layout::of_guest(&empty)).is_empty());
}

#[test]
fn a_ramdisk_is_the_first_module_and_ends_at_its_last_byte() {
    let log = "xc_dom_alloc_segment:   module0      : 0xffffffff81099000 -> 0xffffffff8109c039  (pfn 0x1099 + 0x4 pages)";
    let guest =
        ["[    0.1] layout: ramdisk : 0xffffffff81099000 -> 0xffffffff8109d000  (pfn 0x1099 + 0x4 pages)"];
    assert_eq!(Layout::of_toolstack(log), Layout::of_guest(&guest));
}

/// From the log of Xen 4.17 with this project's image as the initial domain.
const XEN: [&str; 6] = [
    "(XEN)  Loaded kernel: ffffffff81000000->ffffffff8109b000",
    "(XEN)  Phys-Mach map: ffffffff8109b000->ffffffff8111b000",
    "(XEN)  Start info:    ffffffff8111b000->ffffffff8111b4b8",
    "(XEN)  Page tables:   ffffffff8111c000->ffffffff81129000",
    "(XEN)  Boot stack:    ffffffff81129000->ffffffff8112a000",
    "(XEN)  TOTAL:         ffffffff80000000->ffffffff81400000",
];

#[test]
fn a_prediction_for_the_initial_domain_equals_xens_log_as_far_as_that_goes() {
    let plan = |pages| {
        let kernel = Kernel::of_pages(pages);
        Domain { builder: Builder::Xen, pages: 0x1_0000, kernel, ramdisk: None }.plan().unwrap()
    };
    let xen = Layout::of_xen(&XEN);
    let found = |pages| {
        let predicted = Layout::of_plan(&plan(pages)).limited_to(&xen);
        Layout::differences_of(("xen", &xen), ("prediction", &predicted))
    };
    assert_eq!(found(0x9b), Vec::<String>::new());
    assert_eq!(found(0x9c).len(), 5);
}

#[test]
fn a_prediction_for_the_357a3cfb_guest_equals_both_logs() {
    let kernel = Kernel::of_pages(0xe43);
    let ramdisk = Some(0x1_0784 * 4096);
    let plan = |pages| Domain { builder: Builder::Toolstack, pages, kernel, ramdisk }.plan().unwrap();
    let found = |log: &Layout, pages| {
        Layout::differences_of(("log", log), ("prediction", &Layout::of_plan(&plan(pages))))
    };
    for log in [Layout::of_toolstack(OLD), Layout::of_guest(&GUEST)] {
        assert_eq!(found(&log, 0x200_0000), Vec::<String>::new());
        assert!(!found(&log, 0x200_0200).is_empty());
    }
}
