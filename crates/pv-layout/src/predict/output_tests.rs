//! Tests of `output` with the log that the project started from, and with Xen's.

use super::*;
use crate::{
    predict::{
        domain::{Kernel, RamdiskPlace},
        scene,
    },
    scene::{HIGH, ModuleArea},
};

/// The rows of the report that the project started from.
const LOG_357A3CFB: &str = "\
xc_dom_alloc_segment:   kernel       : 0xffffffff81000000 -> 0xffffffff81e43000  (pfn 0x1000 + 0xe43 pages)
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

/// The rows of a guest with both notes and 5012 bytes of ramdisk, and its marks.
const GRUBS_ROWS: &str = "\
layout: kernel       : 0xffffffff81000000 -> 0xffffffff810c4000  (pfn 0x1000 + 0xc4 pages)
layout: start info   : 0xffffffff810c4000  (pfn 0x10c4)
layout: console      : 0xffffffff810c5000  (pfn 0x10c5)
layout: xenstore     : 0xffffffff810c6000  (pfn 0x10c6)
layout: page tables  : 0xffffffff810c7000 -> 0xffffffff810d7000  (pfn 0x10c7 + 0x10 pages)
layout: ramdisk      : not mapped  (pfn 0x1400 + 0x2 pages)
layout: phys2mach    : 0x0000008000000000 -> 0x0000008000020000  (pfn 0x1402 + 0x23 pages)
layout: virt_alloc_end: 0xffffffff810d7000
layout: virt_pgtab_end: 0xffffffff81400000
";

fn log_of(domain: &Domain) -> String {
    let plan = domain.plan().unwrap();
    text(domain, &plan, &scene(domain, &plan, ModuleArea::CLASSIC))
}

fn guest_357a3cfb() -> Domain {
    let kernel = Kernel::of_pages(0xe43);
    Domain { builder: Builder::Toolstack, pages: 0x200_0000, kernel, ramdisk: Some(0x1_0784 * PAGE) }
}

#[test]
fn the_357a3cfb_guest_is_printed_line_by_line_as_in_its_log() {
    let log = log_of(&guest_357a3cfb());
    assert!(log.contains(LOG_357A3CFB), "{log}");
    assert!(log.contains("37.8 MiB of the P2M and 1.1 MiB of other rows lie in the module area"), "{log}");
}

#[test]
fn a_layout_without_collision_says_so() {
    assert!(
        log_of(&Domain { ramdisk: None, ..guest_357a3cfb() }).contains("Nothing lies in the module area")
    );
}

/// From the log of Xen 4.17 that booted Debian's kernel as the initial domain.
#[test]
fn an_initial_domain_is_printed_as_xen_prints_it() {
    let kernel = Kernel {
        base: HIGH,
        start: 0xffff_ffff_8100_0000,
        end: 0xffff_ffff_84a0_0000,
        list_at: Some(0x80_0000_0000),
        ramdisk: RamdiskPlace::Unmapped,
    };
    let pages = 32_768 + 2_116 + 417_724;
    let log = log_of(&Domain { builder: Builder::Xen, pages, kernel, ramdisk: Some(0x84_3db4) });
    for line in [
        " Loaded kernel: ffffffff81000000->ffffffff84a00000\n",
        " Phys-Mach map: 0000008000000000->0000008000374000\n",
        " Start info:    ffffffff84a00000->ffffffff84a004b8\n",
        " Page tables:   ffffffff84a01000->ffffffff84a2a000\n",
        " Boot stack:    ffffffff84a2a000->ffffffff84a2b000\n",
        " TOTAL:         ffffffff80000000->ffffffff84c00000\n",
    ] {
        assert!(log.contains(line), "{line}{log}");
    }
}

/// Xen 4.17's lines on the console of a domain in pv-shim.
#[test]
fn a_domain_in_pv_shim_is_printed_as_its_xen_prints_it() {
    let kernel = Kernel::of_pages(0xc4);
    let log = log_of(&Domain { builder: Builder::Shim, pages: 0x69db, kernel, ramdisk: None });
    let lines = "VIRTUAL MEMORY ARRANGEMENT:
 Loaded kernel: ffffffff81000000->ffffffff810c4000
 Phys-Mach map: ffffffff810c4000->ffffffff810f8ed8
 Start info:    ffffffff810f9000->ffffffff810f9490
 Xenstore ring: ffffffff810fa000->ffffffff810fb000
 Console ring:  ffffffff810fb000->ffffffff810fc000
 Page tables:   ffffffff810fc000->ffffffff81109000
 Boot stack:    ffffffff81109000->ffffffff8110a000
 TOTAL:         ffffffff80000000->ffffffff81400000
";
    assert!(log.contains(lines), "{log}");
}

/// GRUB prints nothing; this is what the image printed that GRUB 2.06 had built for.
#[test]
fn a_domain_of_grubs_is_printed_as_its_guest_prints_it() {
    let kernel =
        Kernel { ramdisk: RamdiskPlace::Unmapped, list_at: Some(0x80_0000_0000), ..Kernel::of_pages(0xc4) };
    let log = log_of(&Domain { builder: Builder::Grub, pages: 0x4000, kernel, ramdisk: Some(5012) });
    assert!(log.contains(GRUBS_ROWS), "{log}");
}

#[test]
fn the_json_form_has_the_same_numbers() {
    let domain = guest_357a3cfb();
    let plan = domain.plan().unwrap();
    let text = json(&domain, &plan, &scene(&domain, &plan, ModuleArea::CLASSIC)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["rows"][2]["start"], "0xffffffff925c7000");
    assert_eq!(json["page_tables"]["l1"], 276);
    assert_eq!(json["p2m_bytes_in_module_area"], 0x25c_7000);
}
