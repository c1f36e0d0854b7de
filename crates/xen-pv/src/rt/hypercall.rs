//! Hypercalls: one primitive, then one typed wrapper per call.
//!
//! A call goes into the page that Xen filled with stubs, 32 bytes each; arguments are passed in rdi, rsi, rdx, r10, and
//! a debug Xen overwrites those that the call takes, so all are clobbered. The call pushes a return address: the
//! compiler must not assume that the stack is untouched. Sources: xen/include/public/arch-x86/xen-x86_64.h.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::abi::{
    CONSOLEIO_READ, CONSOLEIO_WRITE, Call, DOMID_SELF, EVTCHNOP_SEND, MmuExtOp, MmuUpdate,
    PHYSDEVOP_SET_IOPL, Poll, Reservation, SCHEDOP_POLL, SCHEDOP_SHUTDOWN, SEGBASE_GS_KERNEL, Shutdown,
    TrapInfo, UVMF_INVLPG, XENMEM_CURRENT_RESERVATION, XENMEM_DECREASE_RESERVATION, XENMEM_MAXIMUM_RAM_PAGE,
    XENMEM_POPULATE_PHYSMAP, XENVER_VERSION,
};
use crate::addr::VirtAddr;
use crate::{CallKind, Calls, Errno};

use super::linker;

static COUNTS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// Hypercalls so far.
pub fn counts() -> Calls {
    Calls::new(COUNTS.each_ref().map(|count| count.load(Ordering::Relaxed)))
}

const fn kind(call: Call) -> CallKind {
    match call {
        Call::MmuUpdate => CallKind::Update,
        Call::MmuExtOp => CallKind::Extended,
        Call::UpdateVaMapping => CallKind::OneEntry,
        // Event channels and the scheduler are used to wait for the console, and later for the store.
        Call::ConsoleIo | Call::EventChannelOp | Call::SchedOp => CallKind::Console,
        Call::SetTrapTable | Call::MemoryOp | Call::SetSegmentBase | Call::PhysdevOp | Call::XenVersion => {
            CallKind::Other
        }
    }
}

/// Issues a hypercall.
///
/// # Safety
/// The arguments must be what the call expects; pointers among them must be valid for what it reads and writes.
unsafe fn issue(call: Call, args: [u64; 4]) -> Result<u64, Errno> {
    COUNTS[kind(call) as usize].fetch_add(1, Ordering::Relaxed);
    let stub = linker::hypercall_page().as_u64() + call as u64 * 32;
    let result: i64;
    // SAFETY: Xen filled the stub before entry; the caller vouches for the arguments. All registers that Xen may
    // change are outputs.
    unsafe {
        asm!(
            "call rax",
            inlateout("rax") stub => result,
            inlateout("rdi") args[0] => _,
            inlateout("rsi") args[1] => _,
            inlateout("rdx") args[2] => _,
            inlateout("r10") args[3] => _,
            lateout("r8") _,
            lateout("r9") _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    Errno::check(result)
}

/// Writes page-table entries; on an error, says how many were done.
///
/// # Safety
/// As `Hypervisor::mmu_update`.
pub unsafe fn mmu_update(batch: &[MmuUpdate]) -> Result<(), (u32, Errno)> {
    let mut done: u32 = 0;
    let args = [batch.as_ptr() as u64, batch.len() as u64, &raw mut done as u64, u64::from(DOMID_SELF)];
    // SAFETY: `batch` and `done` outlive the call; the caller vouches for what the entries do.
    let result = unsafe { issue(Call::MmuUpdate, args) };
    result.map(|_| ()).map_err(|errno| (done, errno))
}

/// Performs one extended MMU operation.
///
/// # Safety
/// As `Hypervisor::mmuext_op`.
pub unsafe fn mmuext_op(op: MmuExtOp) -> Result<(), Errno> {
    let args = [&raw const op as u64, 1, 0, u64::from(DOMID_SELF)];
    // SAFETY: `op` outlives the call, and no count is written back; the caller vouches for what the operation does.
    unsafe { issue(Call::MmuExtOp, args) }.map(|_| ())
}

/// Writes the L1 entry for an address that has an L1 table, and flushes its translation.
///
/// # Safety
/// No live Rust data may be reached through the address.
pub unsafe fn update_va_mapping(at: u64, entry: u64) -> Result<(), Errno> {
    // SAFETY: passes no pointer; the caller vouches for the mapping.
    unsafe { issue(Call::UpdateVaMapping, [at, entry, UVMF_INVLPG, 0]) }.map(|_| ())
}

/// Asks for the machine's highest RAM frame.
pub fn maximum_ram_page() -> Result<u64, Errno> {
    // SAFETY: takes no argument.
    unsafe { issue(Call::MemoryOp, [XENMEM_MAXIMUM_RAM_PAGE, 0, 0, 0]) }
}

/// Asks how many pages this domain has.
pub fn current_reservation() -> Result<u64, Errno> {
    let domain = DOMID_SELF;
    // SAFETY: `domain` outlives the call, which only reads it.
    unsafe { issue(Call::MemoryOp, [XENMEM_CURRENT_RESERVATION, (&raw const domain) as u64, 0, 0]) }
}

/// Asks for Xen's version: a hypercall that does nothing else, to measure what any hypercall costs.
pub fn xen_version() -> Result<u64, Errno> {
    // SAFETY: the version comes back as the result; no pointer is passed.
    unsafe { issue(Call::XenVersion, [XENVER_VERSION, 0, 0, 0]) }
}

/// Writes to Xen's own console.
pub fn console_write(bytes: &[u8]) -> Result<(), Errno> {
    // SAFETY: `bytes` outlives the call, which only reads it.
    unsafe { issue(Call::ConsoleIo, [CONSOLEIO_WRITE, bytes.len() as u64, bytes.as_ptr() as u64, 0]) }
        .map(|_| ())
}

/// Reads what was typed at Xen's own console; returns how many bytes.
pub fn console_read(into: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: `into` outlives the call, which writes no more than its length.
    let read =
        unsafe { issue(Call::ConsoleIo, [CONSOLEIO_READ, into.len() as u64, into.as_mut_ptr() as u64, 0]) };
    // Not more than the length: fits any usize.
    read.map(|bytes| bytes as usize)
}

/// Gives machine frames back to Xen; returns how many it took.
pub fn decrease_reservation(frames: &mut [u64]) -> Result<u64, Errno> {
    // SAFETY: Xen only reads the frames; those that are mapped stay until they are not.
    unsafe { reservation(XENMEM_DECREASE_RESERVATION, frames) }
}

/// Asks for a frame for each page; returns how many of the pages were replaced by their frames.
pub fn populate_physmap(pages: &mut [u64]) -> Result<u64, Errno> {
    // SAFETY: Xen writes within the slice.
    unsafe { reservation(XENMEM_POPULATE_PHYSMAP, pages) }
}

/// # Safety
/// Xen must be allowed to do that with the extents.
unsafe fn reservation(operation: u64, extents: &mut [u64]) -> Result<u64, Errno> {
    let reservation = Reservation {
        extent_start: extents.as_mut_ptr(),
        nr_extents: extents.len() as u64,
        extent_order: 0,
        mem_flags: 0,
        domid: DOMID_SELF,
    };
    // SAFETY: structure and extents outlive the call; the caller vouches for the operation.
    unsafe { issue(Call::MemoryOp, [operation, &raw const reservation as u64, 0, 0]) }
}

/// Notifies the other end of an event channel.
pub fn event_send(port: u32) -> Result<(), Errno> {
    // SAFETY: `port` outlives the call; the structure is one 32-bit port.
    unsafe { issue(Call::EventChannelOp, [EVTCHNOP_SEND, &raw const port as u64, 0, 0]) }.map(|_| ())
}

/// Waits until one of the event channels is pending, or until `deadline` in nanoseconds of system time (0: none).
pub fn poll(ports: &[u32], deadline: u64) -> Result<(), Errno> {
    // A handful of channels: fits.
    let poll = Poll { ports: ports.as_ptr(), count: ports.len() as u32, timeout: deadline };
    // SAFETY: `poll` and `ports` outlive the call, which only reads them.
    unsafe { issue(Call::SchedOp, [SCHEDOP_POLL, &raw const poll as u64, 0, 0]) }.map(|_| ())
}

/// Stops the domain; returns only if Xen refuses.
pub fn shutdown(reason: Shutdown) -> Result<(), Errno> {
    let reason = reason as u32;
    // SAFETY: `reason` outlives the call; the structure is one 32-bit reason, passed by pointer.
    unsafe { issue(Call::SchedOp, [SCHEDOP_SHUTDOWN, &raw const reason as u64, 0, 0]) }.map(|_| ())
}

/// Registers exception handlers.
///
/// # Safety
/// Each address must be an entry that takes over the frame Xen pushes; the list must end with address 0.
pub unsafe fn set_trap_table(table: &[TrapInfo]) -> Result<(), Errno> {
    // SAFETY: `table` outlives the call; the caller vouches for the entries.
    unsafe { issue(Call::SetTrapTable, [table.as_ptr() as u64, 0, 0, 0]) }.map(|_| ())
}

/// Removes every exception handler: the next exception ends the domain.
pub fn clear_trap_table() -> Result<(), Errno> {
    // SAFETY: passes no pointer; a null list removes all handlers.
    unsafe { issue(Call::SetTrapTable, [0, 0, 0, 0]) }.map(|_| ())
}

/// Sets the base of the GS segment.
pub fn set_gs_base(base: VirtAddr) -> Result<(), Errno> {
    // SAFETY: passes no pointer; no code of the image uses the segment.
    unsafe { issue(Call::SetSegmentBase, [SEGBASE_GS_KERNEL, base.as_u64(), 0, 0]) }.map(|_| ())
}

/// Allows I/O instructions, which Xen then emulates (initial domain only).
pub fn set_io_privilege() -> Result<(), Errno> {
    let level: u32 = 1;
    // SAFETY: `level` outlives the call, which only reads it.
    unsafe { issue(Call::PhysdevOp, [PHYSDEVOP_SET_IOPL, &raw const level as u64, 0, 0]) }.map(|_| ())
}
