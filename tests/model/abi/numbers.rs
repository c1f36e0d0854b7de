//! Numbers of `xen::abi`, each with its name in Xen's headers.

use super::{Fact, number};
use xen::abi::{
    CONSOLEIO_READ, CONSOLEIO_WRITE, Call, DOMID_SELF, EVTCHNOP_SEND, FLAT_KERNEL_CS, MACH2PHYS_BYTES,
    MACH2PHYS_START, PHYSDEVOP_SET_IOPL, SCHEDOP_POLL, SCHEDOP_SHUTDOWN, SEGBASE_GS_KERNEL, SIF_INITDOMAIN,
    SIF_MOD_START_PFN, SIF_PM_MASK, Shutdown, StoreMessage, UVMF_INVLPG, XENMEM_CURRENT_RESERVATION,
    XENMEM_DECREASE_RESERVATION, XENMEM_MAXIMUM_RAM_PAGE, XENMEM_POPULATE_PHYSMAP, XENVER_VERSION,
};
use xen::mmuext;

pub(super) fn all() -> Vec<Fact> {
    [hypercalls(), memory(), store(), others()].into_iter().flatten().collect()
}

fn hypercalls() -> Vec<Fact> {
    vec![
        number("__HYPERVISOR_set_trap_table", Call::SetTrapTable as u64),
        number("__HYPERVISOR_mmu_update", Call::MmuUpdate as u64),
        number("__HYPERVISOR_memory_op", Call::MemoryOp as u64),
        number("__HYPERVISOR_update_va_mapping", Call::UpdateVaMapping as u64),
        number("__HYPERVISOR_xen_version", Call::XenVersion as u64),
        number("__HYPERVISOR_console_io", Call::ConsoleIo as u64),
        number("__HYPERVISOR_set_segment_base", Call::SetSegmentBase as u64),
        number("__HYPERVISOR_mmuext_op", Call::MmuExtOp as u64),
        number("__HYPERVISOR_sched_op", Call::SchedOp as u64),
        number("__HYPERVISOR_event_channel_op", Call::EventChannelOp as u64),
        number("__HYPERVISOR_physdev_op", Call::PhysdevOp as u64),
    ]
}

fn memory() -> Vec<Fact> {
    vec![
        number("MMUEXT_PIN_L1_TABLE", mmuext::PIN_L1_TABLE),
        number("MMUEXT_PIN_L2_TABLE", mmuext::PIN_L2_TABLE),
        number("MMUEXT_PIN_L3_TABLE", mmuext::PIN_L3_TABLE),
        number("MMUEXT_PIN_L4_TABLE", mmuext::PIN_L4_TABLE),
        number("MMUEXT_UNPIN_TABLE", mmuext::UNPIN_TABLE),
        number("MMUEXT_NEW_BASEPTR", mmuext::NEW_BASEPTR),
        number("MMUEXT_TLB_FLUSH_LOCAL", mmuext::TLB_FLUSH_LOCAL),
        number("MMUEXT_INVLPG_LOCAL", mmuext::INVLPG_LOCAL),
        number("MMUEXT_TLB_FLUSH_MULTI", mmuext::TLB_FLUSH_MULTI),
        number("MMUEXT_INVLPG_MULTI", mmuext::INVLPG_MULTI),
        number("MMUEXT_TLB_FLUSH_ALL", mmuext::TLB_FLUSH_ALL),
        number("MMUEXT_INVLPG_ALL", mmuext::INVLPG_ALL),
        number("MMUEXT_FLUSH_CACHE", mmuext::FLUSH_CACHE),
        number("MMUEXT_SET_LDT", mmuext::SET_LDT),
        number("MMUEXT_NEW_USER_BASEPTR", mmuext::NEW_USER_BASEPTR),
        number("MMUEXT_CLEAR_PAGE", mmuext::CLEAR_PAGE),
        number("MMUEXT_COPY_PAGE", mmuext::COPY_PAGE),
        number("MMUEXT_MARK_SUPER", mmuext::MARK_SUPER),
        number("MMUEXT_UNMARK_SUPER", mmuext::UNMARK_SUPER),
        number("UVMF_INVLPG", UVMF_INVLPG),
        number("XENMEM_maximum_ram_page", XENMEM_MAXIMUM_RAM_PAGE),
        number("XENMEM_current_reservation", XENMEM_CURRENT_RESERVATION),
        number("XENMEM_decrease_reservation", XENMEM_DECREASE_RESERVATION),
        number("XENMEM_populate_physmap", XENMEM_POPULATE_PHYSMAP),
    ]
}

fn store() -> Vec<Fact> {
    vec![
        number("XS_DIRECTORY", StoreMessage::Directory as u64),
        number("XS_READ", StoreMessage::Read as u64),
        number("XS_WATCH", StoreMessage::Watch as u64),
        number("XS_UNWATCH", StoreMessage::Unwatch as u64),
        number("XS_TRANSACTION_START", StoreMessage::TransactionStart as u64),
        number("XS_TRANSACTION_END", StoreMessage::TransactionEnd as u64),
        number("XS_GET_DOMAIN_PATH", StoreMessage::GetDomainPath as u64),
        number("XS_WRITE", StoreMessage::Write as u64),
        number("XS_MKDIR", StoreMessage::MakeDirectory as u64),
        number("XS_RM", StoreMessage::Remove as u64),
        number("XS_WATCH_EVENT", StoreMessage::WatchEvent as u64),
        number("XS_ERROR", StoreMessage::Error as u64),
    ]
}

fn others() -> Vec<Fact> {
    vec![
        number("SIF_INITDOMAIN", SIF_INITDOMAIN),
        number("SIF_MOD_START_PFN", SIF_MOD_START_PFN),
        number("SIF_PM_MASK", SIF_PM_MASK),
        number("DOMID_SELF", u64::from(DOMID_SELF)),
        number("CONSOLEIO_write", CONSOLEIO_WRITE),
        number("CONSOLEIO_read", CONSOLEIO_READ),
        number("EVTCHNOP_send", EVTCHNOP_SEND),
        number("sizeof(struct evtchn_send)", size_of::<u32>() as u64),
        number("SCHEDOP_shutdown", SCHEDOP_SHUTDOWN),
        number("sizeof(struct sched_shutdown)", size_of::<Shutdown>() as u64),
        number("SHUTDOWN_poweroff", Shutdown::PowerOff as u64),
        number("SHUTDOWN_reboot", Shutdown::Reboot as u64),
        number("SHUTDOWN_crash", Shutdown::Crash as u64),
        number("SCHEDOP_poll", SCHEDOP_POLL),
        number("PHYSDEVOP_set_iopl", PHYSDEVOP_SET_IOPL),
        number("sizeof(struct physdev_set_iopl)", size_of::<u32>() as u64),
        number("SEGBASE_GS_KERNEL", SEGBASE_GS_KERNEL),
        number("XENVER_version", XENVER_VERSION),
        number("DOMID_SELF", DOMID_SELF),
        number("FLAT_KERNEL_CS", FLAT_KERNEL_CS),
        number("MACH2PHYS_VIRT_START", MACH2PHYS_START),
        number("MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START", MACH2PHYS_BYTES),
    ]
}
