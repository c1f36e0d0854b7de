//! The shared_info page: what Xen publishes to this domain, and what the domain publishes to the toolstack.
//!
//! Mapped over a page of the image at entry. Xen writes to it at any time, so every access is volatile.
//! Sources: xen/include/public/xen.h (shared_info), arch-x86/xen.h (arch_shared_info).

use core::mem::offset_of;
use core::sync::atomic::{Ordering, fence};

use crate::abi::{SharedInfo, VcpuInfo, VcpuTime};
use crate::addr::{Mfn, VirtAddr};
use crate::events::Port;
use crate::pte::{Access, Pte};
use crate::time::read_versioned;
use crate::{Errno, ListState, PublishedP2m, PublishedWords};

use super::{hypercall, linker, volatile};

/// Maps shared_info, whose machine frame is in start_info.
pub(crate) fn map(frame: Mfn) -> Result<(), Errno> {
    let entry = Pte::leaf(frame, Access::Data);
    // SAFETY: the page is reserved for this by the entry; no Rust object lies in it.
    unsafe { hypercall::update_va_mapping(linker::shared_info_page().as_u64(), entry.word()) }
}

/// Address of a field of shared_info.
fn at(offset: usize) -> VirtAddr {
    volatile::field(linker::shared_info_page(), offset)
}

/// Reads this vCPU's time; reads it again if Xen has written it meanwhile.
pub fn time() -> VcpuTime {
    let at = at(offset_of!(SharedInfo, vcpu) + offset_of!(VcpuInfo, time));
    read_versioned(
        || {
            // SAFETY: mapped since entry (before that, the page is zeroed bss), and any bit pattern is a number.
            unsafe { volatile::read(volatile::field(at, offset_of!(VcpuTime, version))) }
        },
        || {
            // SAFETY: as above.
            unsafe { volatile::read(at) }
        },
    )
}

/// Reads the address of the last page fault.
pub fn fault_address() -> u64 {
    // SAFETY: as in `time`.
    unsafe { volatile::read(at(offset_of!(SharedInfo, vcpu) + offset_of!(VcpuInfo, cr2))) }
}

/// Clears an event channel's pending bit, so that the next poll waits for the next event.
pub fn clear_event(port: Port) {
    let at = at(offset_of!(SharedInfo, evtchn_pending) + port.word() * 8);
    // SAFETY: as in `time`, and aligned; Xen changes these words by locked instructions only, as this side does.
    port.take(unsafe { volatile::atomic(at) });
}

/// Reads what [`publish_p2m`] wrote.
pub fn published_p2m() -> PublishedP2m {
    let words = PublishedWords {
        max_pfn: read(offset_of!(SharedInfo, max_pfn)),
        frame_list_list: read(offset_of!(SharedInfo, pfn_to_mfn_frame_list_list)),
        p2m_cr3: read(offset_of!(SharedInfo, p2m_cr3)),
        p2m_vaddr: read(offset_of!(SharedInfo, p2m_vaddr)),
    };
    words.into()
}

/// Publishes the P2M. A frame list that there is no more goes before `max_pfn` rises beyond what it describes, and a new
/// one comes after; `p2m_cr3`, which says that there is a list, comes after the list's address.
pub fn publish_p2m(p2m: PublishedP2m) {
    let PublishedWords { max_pfn, frame_list_list, p2m_cr3, p2m_vaddr } = p2m.into();
    // The P2M is plain memory: whoever finds its frame must find its content written.
    fence(Ordering::Release);
    if p2m.frame_list.is_none() {
        write(offset_of!(SharedInfo, pfn_to_mfn_frame_list_list), frame_list_list);
    }
    write(offset_of!(SharedInfo, max_pfn), max_pfn);
    write(offset_of!(SharedInfo, pfn_to_mfn_frame_list_list), frame_list_list);
    write(offset_of!(SharedInfo, p2m_vaddr), p2m_vaddr);
    write(offset_of!(SharedInfo, p2m_cr3), p2m_cr3);
}

/// Makes the generation odd, or even and higher than before. Changes of the mapping lie between the two.
pub fn set_list_state(state: ListState) {
    let generation = read(offset_of!(SharedInfo, p2m_generation)) | 1;
    fence(Ordering::SeqCst);
    let next = match state {
        ListState::Changing => generation,
        ListState::Stable => generation.wrapping_add(1),
    };
    write(offset_of!(SharedInfo, p2m_generation), next);
    fence(Ordering::SeqCst);
}

fn read(offset: usize) -> u64 {
    // SAFETY: as in `time`.
    unsafe { volatile::read(at(offset)) }
}

fn write(offset: usize, value: u64) {
    // SAFETY: as in `time`; these fields are the domain's to write.
    unsafe { volatile::write(at(offset), value) };
}
