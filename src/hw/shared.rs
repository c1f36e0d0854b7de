//! The shared_info page: what Xen tells this domain, and what the domain tells the toolstack.
//!
//! Mapped over a page of the image at entry. Xen writes to it at any time, so every access is volatile.
//! Sources: xen/include/public/xen.h (shared_info), arch-x86/xen.h (arch_shared_info).

use core::ptr;

use revector::addr::{Mfn, PAGE_SIZE};
use revector::mm::pte::{Access, Pte};
use revector::xen::Errno;
use revector::xen::abi::{SharedInfo, VcpuTime};

use super::{hypercall, linker};

/// Maps shared_info, whose machine address is in start_info.
pub(crate) fn map(machine: u64) -> Result<(), Errno> {
    let entry = Pte::leaf(Mfn::new(machine / PAGE_SIZE), Access::Data);
    // SAFETY: the page is reserved for this in entry.S; no Rust object lies in it.
    unsafe { hypercall::update_va_mapping(linker::shared_info_page(), entry.word()) }
}

fn page() -> *mut SharedInfo {
    linker::shared_info_page().as_mut_ptr()
}

/// Reads this vCPU's time, retrying while Xen writes it.
pub(crate) fn time() -> VcpuTime {
    loop {
        // SAFETY: the page is mapped since entry (or is our own zeroed bss) and large enough.
        let time = unsafe { ptr::read_volatile(&raw const (*page()).vcpu[0].time) };
        if time.version & 1 == 0 {
            return time;
        }
    }
}

/// Reads the address of the last page fault.
pub(crate) fn fault_address() -> u64 {
    // SAFETY: as in `time`.
    unsafe { ptr::read_volatile(&raw const (*page()).vcpu[0].cr2) }
}

/// Clears a pending event channel, so that the next poll waits for the next event.
pub(crate) fn clear_event(port: u32) {
    // Below 64: the 4096 event channels of the two-level interface.
    let word = port as usize / 64 % 64;
    // SAFETY: as in `time`; the index is below the array's length.
    let at = unsafe { &raw mut (*page()).evtchn_pending[word] };
    // SAFETY: as in `time`. A bit that Xen sets between read and write is only a wake-up of the same kind lost, and
    // every wait has a deadline.
    let pending = unsafe { ptr::read_volatile(at) };
    // SAFETY: as above.
    unsafe { ptr::write_volatile(at, pending & !(1 << (port % 64))) };
}

/// Publishes the P2M's machine-frame tree.
pub(crate) fn publish_p2m(top: Mfn, entries: u64) {
    // SAFETY: as in `time`; the fields are the domain's to write.
    unsafe { ptr::write_volatile(&raw mut (*page()).max_pfn, entries) };
    // SAFETY: as above.
    unsafe { ptr::write_volatile(&raw mut (*page()).p2m_cr3, 0) };
    // SAFETY: as above.
    unsafe { ptr::write_volatile(&raw mut (*page()).pfn_to_mfn_frame_list_list, top.raw()) };
}
