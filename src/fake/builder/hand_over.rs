//! What the guest is told: start_info, registers, and the first hypercall of its entry code.
//!
//! Mirrors `start_info_x86_64` (tools/libs/guest/xg_dom_x86.c), `dom0_construct`, and this project's `hw::entry`.

use super::tables::INIT_P2M;
use super::{Domain, Rows};
use crate::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use crate::fake::entry::{PRESENT, WRITABLE};
use crate::fake::xen::Xen;
use crate::mm::area;
use crate::xen::abi::{SIF_INITDOMAIN, SIF_MOD_START_PFN, StartInfo};
use crate::xen::start_info::{Facts, Role};

fn high(pfn: Pfn) -> VirtAddr {
    VirtAddr::new_truncate(area::HIGH.as_u64() + pfn.raw() * PAGE_SIZE)
}

/// The image's view of itself: data starts with the page below the stack, and shared_info takes the place of the next.
pub(super) fn facts(domain: &Domain, rows: &Rows) -> Facts {
    let shape = domain.image;
    let part = |first: u64, pages: u64| VirtRange::new(high(rows.image.start.plus(first)), pages * PAGE_SIZE);
    Facts {
        start_info: high(rows.start_info.start),
        image: part(0, shape.pages),
        text: part(0, shape.text),
        rodata: part(shape.text, shape.rodata),
        shared_info: part(shape.text + shape.rodata + 1, 1).start,
        stack_guard: part(shape.text + shape.rodata, 1).start,
    }
}

/// What %rsi points to.
pub(super) fn start_info(domain: &Domain, rows: &Rows, xen: &Xen) -> StartInfo {
    let mut magic = [0; 32];
    magic[..14].copy_from_slice(b"xen-3.0-x86_64");
    let ring =
        |row: PfnRange| xen.machine().mfn(row.start).filter(|_| !row.is_empty()).map_or(0, |mfn| mfn.raw());
    let (flags, mod_start, mod_len) = ramdisk(domain, rows);
    let role = if domain.role == Role::Guest { 0 } else { 1 | SIF_INITDOMAIN };
    let has_note = !domain.list_is_mapped();
    let mfn_list = if has_note { INIT_P2M } else { high(rows.list.start) };
    StartInfo {
        magic,
        nr_pages: domain.pages,
        shared_info: xen.shared_info.raw() * PAGE_SIZE,
        flags: flags | role,
        store_mfn: ring(rows.store),
        store_evtchn: 1,
        console_mfn: ring(rows.console),
        console_evtchn: 2,
        pt_base: high(rows.tables.start).as_u64(),
        nr_pt_frames: rows.tables.pages(),
        mfn_list: mfn_list.as_u64(),
        mod_start,
        mod_len,
        cmd_line: [0; 1024],
        first_p2m_pfn: if has_note { rows.list.start.raw() } else { 0 },
        nr_p2m_frames: if has_note { rows.list.pages() + rows.list_tables.pages() } else { 0 },
    }
}

/// A guest's builder rounds the length of an unmapped ramdisk up to pages; Xen's own never does.
fn ramdisk(domain: &Domain, rows: &Rows) -> (u32, u64, u64) {
    let Some(ramdisk) = domain.ramdisk else { return (0, 0, 0) };
    let bytes = ramdisk.bytes();
    match domain.role {
        _ if domain.ramdisk_is_mapped() => (0, high(rows.ramdisk.start).as_u64(), bytes),
        Role::Guest => (SIF_MOD_START_PFN, rows.ramdisk.start.raw(), bytes.next_multiple_of(PAGE_SIZE)),
        Role::InitialDomain => (SIF_MOD_START_PFN, rows.ramdisk.start.raw(), bytes),
    }
}

/// What the image's entry code does before the boot: shared_info is mapped over its page.
pub(super) fn enter(xen: &mut Xen, start_info: &StartInfo, facts: &Facts) {
    let word = start_info.shared_info | PRESENT | WRITABLE;
    xen.update_va_mapping(facts.shared_info, word).expect("shared_info can be mapped");
    xen.facts = Some(*facts);
    xen.check_kernel();
}
