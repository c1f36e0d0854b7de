//! What the guest is told: start_info, registers, and the first hypercall of its entry code.
//!
//! Mirrors `start_info_x86_64` (tools/libs/guest/xg_dom_x86.c), `dom0_construct`, and `xen::rt`.

use super::physmap::INIT_P2M;
use super::{Domain, Rows};
use crate::entry::{PRESENT, WRITABLE};
use crate::state::Xen;
use xen::abi::{SIF_INITDOMAIN, SIF_MOD_START_PFN, StartInfo};
use xen::addr::{PAGE_SIZE, PfnRange, VirtRange};
use xen::area::high;
use xen::start_info::{Facts, Role};

/// `SIF_PRIVILEGED`.
const SIF_PRIVILEGED: u32 = 1;
/// Xen's default in `SIF_PM_MASK`: the initial domain passes on idle and performance states of processors.
const SIF_PM: u32 = 3 << 8;
/// `sizeof(struct dom0_vga_console_info)`.
const DOM0_VGA_BYTES: u64 = 0x28;

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
    let role = Words::of(domain.role);
    let mfn_list = if domain.list_is_mapped() { high(rows.list.start) } else { INIT_P2M };
    let (first_p2m_pfn, nr_p2m_frames) = physmap(domain, rows);
    StartInfo {
        magic,
        nr_pages: domain.pages,
        shared_info: xen.shared_info.raw() * PAGE_SIZE,
        flags: flags | role.flags,
        store_mfn: ring(rows.store),
        store_evtchn: role.store_evtchn,
        console_mfn: ring(rows.console) | role.console,
        console_evtchn: role.console_evtchn,
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
    /// The initial domain has no rings. In the console's place it is told where in this page its screen is described,
    /// and how long that is, if Xen has a screen, as it has under QEMU.
    const fn of(role: Role) -> Self {
        match role {
            Role::Guest => Self { flags: 0, store_evtchn: 1, console: 0, console_evtchn: 2 },
            Role::InitialDomain => Self {
                flags: SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_PM,
                store_evtchn: 0,
                console: (DOM0_VGA_BYTES << 32) | size_of::<StartInfo>() as u64,
                console_evtchn: 0,
            },
        }
    }
}

/// The toolstack tells of the list's own pages only with the note; Xen always says where they would begin.
fn physmap(domain: &Domain, rows: &Rows) -> (u64, u64) {
    let pages = PfnRange::between(rows.placed, rows.end).pages();
    match domain.role {
        Role::Guest if domain.list_is_mapped() => (0, 0),
        Role::Guest | Role::InitialDomain => (rows.placed.raw(), pages),
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

/// The field: NUL-terminated, cut to its length.
fn command_line(text: &str) -> [u8; 1024] {
    let mut field = [0; 1024];
    let kept = text.len().min(field.len() - 1);
    field[..kept].copy_from_slice(&text.as_bytes()[..kept]);
    field
}
