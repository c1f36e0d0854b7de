//! Xen's structures and numbers, written by hand from its public headers.
//!
//! Each structure is followed by assertions on its size and on the offsets that the boot reads, so that a mistake here
//! does not compile. Neighbours: `start_info` validates [`StartInfo`]; the image's runtime (`rt`) uses the rest.
//!
//! Sources: xen/include/public/{xen.h, arch-x86/xen.h, arch-x86/xen-x86_64.h, sched.h, event_channel.h, memory.h,
//! physdev.h}; `rings` has those of io/.

mod rings;

use core::mem::{offset_of, size_of};

pub use rings::{ConsoleRing, StoreHeader, StoreMessage, StoreRing};

/// What the domain builder hands to the guest; %rsi has its address at entry. Unverified until parsed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "start_info")]
pub struct StartInfo {
    /// `xen-<version>-<platform>`, NUL-terminated.
    pub magic: [u8; 32],
    /// Pages that the guest owns.
    pub nr_pages: u64,
    /// Machine address of the shared_info page.
    pub shared_info: u64,
    /// `SIF_*`.
    pub flags: u32,
    /// Machine frame of the xenstore ring; 0 for the initial domain.
    pub store_mfn: u64,
    /// Event channel of the xenstore ring.
    pub store_evtchn: u32,
    /// domU: machine frame of the console ring. Initial domain: two 32-bit words about the VGA console.
    pub console_mfn: u64,
    /// Event channel of the console ring.
    pub console_evtchn: u32,
    /// Virtual address of the L4 table.
    pub pt_base: u64,
    /// Page-table frames, all levels.
    pub nr_pt_frames: u64,
    /// Virtual address of the P2M list.
    pub mfn_list: u64,
    /// Ramdisk: a virtual address, or a pfn with `SIF_MOD_START_PFN`.
    pub mod_start: u64,
    /// Ramdisk: length in bytes.
    pub mod_len: u64,
    /// Command line, NUL-terminated.
    pub cmd_line: [u8; 1024],
    /// First pfn of a list that `XEN_ELFNOTE_INIT_P2M` put elsewhere.
    pub first_p2m_pfn: u64,
    /// Pages of that list and of the tables that map it.
    pub nr_p2m_frames: u64,
}

const _: () = assert!(size_of::<StartInfo>() == 1168);
const _: () = assert!(offset_of!(StartInfo, flags) == 48);
const _: () = assert!(offset_of!(StartInfo, store_mfn) == 56);
const _: () = assert!(offset_of!(StartInfo, console_mfn) == 72);
const _: () = assert!(offset_of!(StartInfo, pt_base) == 88);
const _: () = assert!(offset_of!(StartInfo, mfn_list) == 104);
const _: () = assert!(offset_of!(StartInfo, cmd_line) == 128);
const _: () = assert!(offset_of!(StartInfo, first_p2m_pfn) == 1152);

/// `start_info.flags`: this is the initial domain.
pub const SIF_INITDOMAIN: u32 = 1 << 1;
/// `start_info.flags`: Xen's power-management options (xen-pm), for the initial domain.
pub const SIF_PM_MASK: u32 = 0xff << 8;
/// `start_info.flags`: `mod_start` is a pfn, the ramdisk is not mapped.
pub const SIF_MOD_START_PFN: u32 = 1 << 3;

/// Time of one vCPU: nanoseconds at a TSC reading, and how to continue from there.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "vcpu_time_info")]
pub struct VcpuTime {
    /// Odd while Xen writes.
    pub version: u32,
    pub(crate) pad0: u32,
    /// TSC at the last update.
    pub tsc_timestamp: u64,
    /// Nanoseconds since boot at that TSC.
    pub system_time: u64,
    /// Nanoseconds per tick, as a 32-bit fraction, after the shift.
    pub tsc_to_system_mul: u32,
    /// Shift of the tick count; negative is to the right.
    pub tsc_shift: i8,
    /// Stability flags.
    pub flags: u8,
    pub(crate) pad1: [u8; 2],
}

/// What Xen and one vCPU share.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "vcpu_info")]
pub struct VcpuInfo {
    /// An event is waiting.
    pub upcall_pending: u8,
    /// 1 while events must not be delivered; the builder starts with 1 and this project keeps it so.
    pub upcall_mask: u8,
    /// Words of `evtchn_pending` to look at.
    pub pending_sel: u64,
    /// Faulting address of the last page fault.
    pub cr2: u64,
    pad: u64,
    /// Time.
    pub time: VcpuTime,
}

/// What Xen and the domain share; one page, owned by Xen.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "shared_info")]
pub struct SharedInfo {
    /// One per legacy vCPU.
    pub vcpu: [VcpuInfo; 32],
    /// Pending event channels.
    pub evtchn_pending: [u64; 64],
    /// Masked event channels.
    pub evtchn_mask: [u64; 64],
    wall_clock: [u32; 4],
    /// Number of valid P2M entries (not the highest pfn).
    pub max_pfn: u64,
    /// Machine frame of the P2M's top page, as the toolstack walks it.
    pub pfn_to_mfn_frame_list_list: u64,
    nmi_reason: u64,
    /// Root of a linear list; 0 selects the tree.
    pub p2m_cr3: u64,
    /// Address of a linear list.
    pub p2m_vaddr: u64,
    /// Generation of a linear list.
    pub p2m_generation: u64,
}

const _: () = assert!(size_of::<VcpuTime>() == 32);
const _: () = assert!(size_of::<VcpuInfo>() == 64);
const _: () = assert!(offset_of!(VcpuInfo, cr2) == 16);
const _: () = assert!(size_of::<SharedInfo>() == 3136);
const _: () = assert!(offset_of!(SharedInfo, evtchn_pending) == 2048);
const _: () = assert!(offset_of!(SharedInfo, max_pfn) == 3088);
const _: () = assert!(offset_of!(SharedInfo, p2m_cr3) == 3112);

/// One element of `mmu_update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[doc(alias = "mmu_update")]
pub struct MmuUpdate {
    /// Machine address of the page-table entry, command in the low two bits.
    pub ptr: u64,
    /// New content of the entry.
    pub val: u64,
}

/// One element of `mmuext_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[doc(alias = "mmuext_op")]
pub struct MmuExtOp {
    /// One of [`super::mmuext`].
    pub cmd: u32,
    /// Machine frame, or linear address.
    pub arg1: u64,
    /// Command's second argument.
    pub arg2: u64,
}

const _: () = assert!(size_of::<MmuUpdate>() == 16);
const _: () = assert!(size_of::<MmuExtOp>() == 24);

/// `update_va_mapping`: flushes the address's translation.
pub const UVMF_INVLPG: u64 = 2;
/// `memory_op`: asks for the machine's highest RAM frame.
pub const XENMEM_MAXIMUM_RAM_PAGE: u64 = 2;
/// `memory_op`: asks how many pages a domain has.
pub const XENMEM_CURRENT_RESERVATION: u64 = 3;
/// `memory_op`: gives machine frames back to Xen; its argument is a [`Reservation`].
pub const XENMEM_DECREASE_RESERVATION: u64 = 1;
/// `memory_op`: asks for a frame for each of some pages; its argument is a [`Reservation`].
pub const XENMEM_POPULATE_PHYSMAP: u64 = 6;
/// `console_io`: writes to Xen's own console.
pub const CONSOLEIO_WRITE: u64 = 0;
/// `console_io`: reads what was typed at Xen's own console, without waiting.
pub const CONSOLEIO_READ: u64 = 1;
/// `event_channel_op`: notifies the other end; its argument is one 32-bit port.
pub const EVTCHNOP_SEND: u64 = 4;
/// `sched_op`: stops the domain; its argument is one 32-bit [`Shutdown`].
pub const SCHEDOP_SHUTDOWN: u64 = 2;
/// `sched_op`: waits for an event; its argument is a [`Poll`].
pub const SCHEDOP_POLL: u64 = 3;
/// `physdev_op`: sets the I/O privilege level; its argument is one 32-bit level.
pub const PHYSDEVOP_SET_IOPL: u64 = 6;
/// `set_segment_base`: the base of GS in kernel mode.
pub const SEGBASE_GS_KERNEL: u64 = 2;
/// `xen_version`: the version, as the result.
pub const XENVER_VERSION: u64 = 0;
/// The calling domain.
pub const DOMID_SELF: u16 = 0x7ff0;

/// Why the domain stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Shutdown {
    /// Its work is done.
    PowerOff = 0,
    /// The toolstack shall build it again.
    Reboot = 1,
    /// It cannot go on.
    Crash = 3,
}

/// What to wait for.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "sched_poll")]
pub struct Poll {
    /// Event channels.
    pub ports: *const u32,
    /// How many.
    pub count: u32,
    /// Nanoseconds of system time; 0 for no end.
    pub timeout: u64,
}

/// Memory that a domain gives back or asks for.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "xen_memory_reservation")]
pub struct Reservation {
    /// Machine frames to give back; or pages, which Xen replaces by the frames that it gives.
    pub extent_start: *mut u64,
    /// How many.
    pub nr_extents: u64,
    /// Each is 2^order pages.
    pub extent_order: u32,
    /// Limits on the addresses; 0 for none.
    pub mem_flags: u32,
    /// Whose.
    pub domid: u16,
}

/// Handler of one exception, in the form that `set_trap_table` takes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "trap_info")]
pub struct TrapInfo {
    /// Exception.
    pub vector: u8,
    /// Bits 0-1: privilege level that may raise it by software.
    pub flags: u8,
    /// Code selector.
    pub cs: u16,
    /// Entry point; 0 ends the list.
    pub address: u64,
}

const _: () = assert!(size_of::<Poll>() == 24);
const _: () = assert!(size_of::<Reservation>() == 32);
const _: () = assert!(size_of::<TrapInfo>() == 16);

/// Code selector of the kernel, 64 bits, in the GDT that Xen gives it.
pub const FLAT_KERNEL_CS: u16 = 0xe033;

/// Where Xen maps its machine-to-physical array, 8 bytes a machine frame, read-only.
pub const MACH2PHYS_START: u64 = 0xffff_8000_0000_0000;
/// Bytes of address space that the array may take.
pub const MACH2PHYS_BYTES: u64 = 0x40_0000_0000;

/// Hypercall numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Call {
    /// Registers exception handlers.
    SetTrapTable = 0,
    /// Writes page-table entries.
    MmuUpdate = 1,
    /// Memory reservation and map.
    MemoryOp = 12,
    /// Writes one L1 entry by linear address.
    UpdateVaMapping = 14,
    /// Version of the hypervisor.
    XenVersion = 17,
    /// Hypervisor's own console.
    ConsoleIo = 18,
    /// Bases of the FS and GS segments.
    SetSegmentBase = 25,
    /// Extended MMU operations.
    MmuExtOp = 26,
    /// Scheduling and shutdown.
    SchedOp = 29,
    /// Event channels.
    EventChannelOp = 32,
    /// Physical devices, I/O privilege.
    PhysdevOp = 33,
}
