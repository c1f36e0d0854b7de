//! What the guest is given: start_info, registers, and the first hypercall of its entry code.
//!
//! Mirrors `start_info_x86_64` (tools/libs/guest/xg_dom_x86.c), `dom0_construct`, `pv_shim_setup_dom`
//! (xen/arch/x86/pv/shim.c), `grub_xen_special_alloc` (grub-core/loader/i386/xen.c), and `xen::rt`.

use super::physmap::INIT_P2M;
use super::{Builder, Domain, Rows};
use crate::entry::{PRESENT, WRITABLE};
use crate::state::Xen;
use xen::abi::{SIF_INITDOMAIN, SIF_MOD_START_PFN, StartInfo};
use xen::addr::{PAGE_SIZE, PfnRange, VirtAddr, VirtRange};
use xen::area::high;
use xen::start_info::Facts;

/// `SIF_PRIVILEGED`.
const SIF_PRIVILEGED: u32 = 1;
/// Xen's default in `SIF_PM_MASK`: its domain passes on idle and performance states of processors, the shim's too.
const SIF_PM: u32 = 3 << 8;
/// `sizeof(struct dom0_vga_console_info)`.
const DOM0_VGA_BYTES: u64 = 0x28;

/// The image's view of itself: data starts with the page below the stack, and shared_info takes the place of the next.
pub(super) fn facts(domain: &Domain, rows: &Rows) -> Facts {
    let shape = domain.image;
    let part = |first: u64, pages: u64| VirtRange::new(high(rows.image.start.plus(first)), pages * PAGE_SIZE);
    Facts {
        start_info: high(rows.start_info.start),
        boot_stack_end: boot_stack_end(domain, rows),
        image: part(0, shape.pages),
        text: part(0, shape.text),
        rodata: part(shape.text, shape.rodata),
        shared_info: part(shape.text + shape.rodata + 1, 1).start,
        stack_guard: part(shape.text + shape.rodata, 1).start,
    }
}

/// %rsp: GRUB points it at free memory 1 MiB after its tables, and makes no page of it.
const fn boot_stack_end(domain: &Domain, rows: &Rows) -> VirtAddr {
    const AFTER_TABLES: u64 = 256;
    match domain.builder {
        Builder::Grub => high(rows.tables.end.plus(AFTER_TABLES)),
        Builder::Toolstack | Builder::Xen | Builder::Shim => high(rows.stack.end),
    }
}

/// What %rsi points to.
pub(super) fn start_info(domain: &Domain, rows: &Rows, xen: &Xen) -> StartInfo {
    let ring =
        |row: PfnRange| xen.machine().mfn(row.start).filter(|_| !row.is_empty()).map_or(0, |mfn| mfn.raw());
    let (flags, mod_start, mod_len) = ramdisk(domain, rows);
    let words = Words::of(domain.builder);
    let mfn_list = if domain.list_is_mapped() { high(rows.list.start) } else { INIT_P2M };
    let (first_p2m_pfn, nr_p2m_frames) = physmap(domain, rows);
    StartInfo {
        magic: magic(domain.builder),
        nr_pages: domain.pages,
        shared_info: xen.shared_info.raw() * PAGE_SIZE,
        flags: flags | words.flags,
        store_mfn: ring(rows.store),
        store_evtchn: words.store_evtchn,
        console_mfn: ring(rows.console) | words.console,
        console_evtchn: words.console_evtchn,
        pt_base: high(rows.tables.start).as_u64(),
        nr_pt_frames: rows.tables.pages(),
        mfn_list: mfn_list.as_u64(),
        mod_start,
        mod_len,
        cmd_line: command_line(domain.command_line),
        first_p2m_pfn,
        nr_p2m_frames,
    }
}

/// What follows from who builds.
struct Words {
    flags: u32,
    store_evtchn: u32,
    console: u64,
    console_evtchn: u32,
}

impl Words {
    /// The initial domain has no rings. In the console's place start_info says where in its page the screen is
    /// described, and how long that is, if Xen has a screen, as it has under QEMU.
    const fn of(builder: Builder) -> Self {
        let guest = Self { flags: 0, store_evtchn: 1, console: 0, console_evtchn: 2 };
        match builder {
            Builder::Toolstack | Builder::Grub => guest,
            Builder::Shim => Self { flags: SIF_PM, ..guest },
            Builder::Xen => Self {
                flags: SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_PM,
                store_evtchn: 0,
                console: (DOM0_VGA_BYTES << 32) | size_of::<StartInfo>() as u64,
                console_evtchn: 0,
            },
        }
    }
}

/// Xen appends a "p" for an image with `PAE_MODE`, as ours is; from 4.18 on it does not.
fn magic(builder: Builder) -> [u8; 32] {
    let text = if builder.is_hypervisor() { "xen-3.0-x86_64p" } else { "xen-3.0-x86_64" };
    let mut magic = [0; 32];
    magic[..text.len()].copy_from_slice(text.as_bytes());
    magic
}

/// Others name the list's own pages only with the note; Xen always says where they would begin.
fn physmap(domain: &Domain, rows: &Rows) -> (u64, u64) {
    let pages = PfnRange::between(rows.placed, rows.end).pages();
    if domain.list_is_mapped() && !domain.builder.is_hypervisor() {
        return (0, 0);
    }
    (rows.placed.raw(), pages)
}

/// The toolstack alone rounds the length of an unmapped ramdisk up to pages.
fn ramdisk(domain: &Domain, rows: &Rows) -> (u32, u64, u64) {
    let Some(ramdisk) = domain.ramdisk else { return (0, 0, 0) };
    let bytes = ramdisk.bytes();
    if domain.ramdisk_is_mapped() {
        return (0, high(rows.ramdisk.start).as_u64(), bytes);
    }
    let size = if domain.builder == Builder::Toolstack { bytes.next_multiple_of(PAGE_SIZE) } else { bytes };
    (SIF_MOD_START_PFN, rows.ramdisk.start.raw(), size)
}

/// What the image's entry code does before the boot: shared_info is mapped over its page.
pub(super) fn enter(xen: &mut Xen, start_info: &StartInfo, facts: &Facts) {
    let word = start_info.shared_info | PRESENT | WRITABLE;
    xen.update_va_mapping(facts.shared_info, word).expect("shared_info can be mapped");
    xen.facts = Some(*facts);
    xen.check_kernel();
}

/// The field: NUL-terminated, cut to its length.
fn command_line(text: &str) -> [u8; 1024] {
    let mut field = [0; 1024];
    let kept = text.len().min(field.len() - 1);
    field[..kept].copy_from_slice(&text.as_bytes()[..kept]);
    field
}
