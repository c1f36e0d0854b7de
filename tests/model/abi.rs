//! Compares `xen::abi`, the error names and the ELF notes with two descriptions of Xen that are not ours.
//!
//! The first are Xen's public headers, read by a C compiler: every offset, size and number. The second is the crate
//! `xen-sys`, other people's bindings to an older release; its layouts are right, its calls are not, so only the
//! former are used. A number that exists on our side only is a slip that every test on a model of Xen would repeat.

use std::mem::{offset_of, size_of};

use xen::Errno;
use xen::abi::{
    CONSOLEIO_WRITE, Call, ConsoleRing, DOMID_SELF, EVTCHNOP_SEND, FLAT_KERNEL_CS, MACH2PHYS_BYTES,
    MACH2PHYS_START, MmuExtOp, MmuUpdate, PHYSDEVOP_SET_IOPL, Poll, SCHEDOP_POLL, SCHEDOP_SHUTDOWN,
    SEGBASE_GS_KERNEL, SIF_INITDOMAIN, SIF_MOD_START_PFN, SIF_PM_MASK, SharedInfo, Shutdown, StartInfo,
    TrapInfo, UVMF_INVLPG, VcpuInfo, VcpuTime, XENMEM_CURRENT_RESERVATION, XENMEM_MAXIMUM_RAM_PAGE,
    XENVER_VERSION,
};
use xen::mmuext;

mod headers;

/// One fact: what a C expression must evaluate to.
struct Fact {
    c: String,
    ours: u64,
    /// What the bindings say.
    bindings: Option<u64>,
}

/// Size of a structure; offset and size of its fields, with their paths in C.
macro_rules! structure {
    ($ours:ident = $theirs:ident; $($field:ident = $($path:ident).+),+ $(,)?) => {{
        let mut facts = structure!(without bindings $ours = $theirs; $($field = $($path).+),+);
        let offsets = [size_of::<xen_sys::$theirs>(), $(offset_of!(xen_sys::$theirs, $($path).+)),+];
        for (fact, offset) in facts.iter_mut().zip(offsets) {
            fact.bindings = Some(offset as u64);
        }
        facts
    }};
    (without bindings $ours:ident = $theirs:ident; $($field:ident = $($path:ident).+),+ $(,)?) => {{
        let name = stringify!($theirs);
        let mut facts = vec![number(format!("sizeof(struct {name})"), size_of::<$ours>() as u64)];
        $(facts.push(number(
            format!("offsetof(struct {name}, {})", stringify!($($path).+)),
            offset_of!($ours, $field) as u64,
        ));)+
        $(facts.push(number(
            format!("sizeof(((struct {name} *)0)->{})", stringify!($($path).+)),
            size_of_field(|whole: &$ours| &whole.$field),
        ));)+
        facts
    }};
}

const fn size_of_field<T, F>(_: fn(&T) -> &F) -> u64 {
    size_of::<F>() as u64
}

fn number(c: impl Into<String>, ours: impl Into<u64>) -> Fact {
    Fact { c: c.into(), ours: ours.into(), bindings: None }
}

fn structures() -> Vec<Fact> {
    let all = [
        structure!(StartInfo = start_info;
            magic = magic, nr_pages = nr_pages, shared_info = shared_info, flags = flags,
            store_mfn = store_mfn, store_evtchn = store_evtchn, console_mfn = console.domU.mfn,
            console_evtchn = console.domU.evtchn, pt_base = pt_base, nr_pt_frames = nr_pt_frames,
            mfn_list = mfn_list, mod_start = mod_start, mod_len = mod_len, cmd_line = cmd_line,
            first_p2m_pfn = first_p2m_pfn, nr_p2m_frames = nr_p2m_frames,
        ),
        structure!(VcpuTime = vcpu_time_info;
            version = version, tsc_timestamp = tsc_timestamp, system_time = system_time,
            tsc_to_system_mul = tsc_to_system_mul, tsc_shift = tsc_shift,
        ),
        // Newer than the bindings.
        structure!(without bindings VcpuTime = vcpu_time_info; flags = flags),
        structure!(VcpuInfo = vcpu_info;
            upcall_pending = evtchn_upcall_pending, upcall_mask = evtchn_upcall_mask,
            pending_sel = evtchn_pending_sel, cr2 = arch.cr2, time = time,
        ),
        structure!(SharedInfo = shared_info;
            vcpu = vcpu_info, evtchn_pending = evtchn_pending, evtchn_mask = evtchn_mask,
            max_pfn = arch.max_pfn, pfn_to_mfn_frame_list_list = arch.pfn_to_mfn_frame_list_list,
            p2m_cr3 = arch.p2m_cr3, p2m_vaddr = arch.p2m_vaddr, p2m_generation = arch.p2m_generation,
        ),
        structure!(MmuUpdate = mmu_update; ptr = ptr, val = val),
        structure!(MmuExtOp = mmuext_op; cmd = cmd, arg1 = arg1.mfn, arg2 = arg2.src_mfn),
        structure!(Poll = sched_poll; ports = ports, count = nr_ports, timeout = timeout),
        structure!(TrapInfo = trap_info;
            vector = vector, flags = flags, cs = cs, address = address,
        ),
        // Not in the bindings.
        structure!(without bindings ConsoleRing = xencons_interface;
            input = in, output = out, in_cons = in_cons, in_prod = in_prod, out_cons = out_cons,
            out_prod = out_prod,
        ),
    ];
    all.into_iter().flatten().collect()
}

fn numbers() -> Vec<Fact> {
    vec![
        number("SIF_INITDOMAIN", SIF_INITDOMAIN),
        number("SIF_MOD_START_PFN", SIF_MOD_START_PFN),
        number("SIF_PM_MASK", SIF_PM_MASK),
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
        number("DOMID_SELF", u64::from(DOMID_SELF)),
        number("CONSOLEIO_write", CONSOLEIO_WRITE),
        number("EVTCHNOP_send", EVTCHNOP_SEND),
        number("sizeof(struct evtchn_send)", size_of::<u32>() as u64),
        number("SCHEDOP_shutdown", SCHEDOP_SHUTDOWN),
        number("sizeof(struct sched_shutdown)", size_of::<Shutdown>() as u64),
        number("SHUTDOWN_poweroff", Shutdown::PowerOff as u64),
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

/// The notes of the image: `elfnote NAME, NUMBER, ...`.
fn notes() -> Vec<Fact> {
    let lines = include_str!("../../xen-note.S").lines();
    let notes = lines.filter_map(|line| line.trim_start().strip_prefix("elfnote ")?.split_once(','));
    notes
        .map(|(name, rest)| {
            let value = rest.split(',').next().and_then(|value| value.trim().parse::<u64>().ok());
            number(format!("XEN_ELFNOTE_{}", name.trim()), value.expect("a note has a number"))
        })
        .collect()
}

fn assert_headers_agree(name: &str, facts: &[Fact]) {
    let expressions: Vec<String> = facts.iter().map(|fact| fact.c.clone()).collect();
    let values = headers::evaluate(name, &expressions);
    let differ: Vec<String> = facts
        .iter()
        .zip(values)
        .filter(|(fact, xen)| fact.ours != *xen)
        .map(|(fact, xen)| format!("{}: Xen has {xen}, this project {}", fact.c, fact.ours))
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn structures_are_those_of_xens_headers() {
    assert_headers_agree("structures", &structures());
}

#[test]
fn numbers_are_those_of_xens_headers() {
    assert_headers_agree("numbers", &numbers());
}

#[test]
fn elf_notes_have_the_numbers_of_xens_headers() {
    let notes = notes();
    assert_eq!(notes.len(), 11, "every note of xen-note.S is read");
    assert_headers_agree("notes", &notes);
}

#[test]
fn error_names_are_those_of_xens_headers() {
    let names = [
        "EPERM",
        "ENOENT",
        "ESRCH",
        "E2BIG",
        "EAGAIN",
        "ENOMEM",
        "EACCES",
        "EFAULT",
        "EBUSY",
        "EINVAL",
        "ERANGE",
        "ENOSYS",
        "EOPNOTSUPP",
    ];
    let values = headers::evaluate("errors", &names.map(|name| format!("XEN_{name}")));
    for (name, value) in names.into_iter().zip(values) {
        let shown = Errno::check(-value.cast_signed()).map_err(|errno| errno.to_string());
        assert_eq!(shown, Err(format!("-{name}")), "{value}");
    }
    let known = [
        (Errno::EPERM, "-EPERM"),
        (Errno::ENOMEM, "-ENOMEM"),
        (Errno::EACCES, "-EACCES"),
        (Errno::EFAULT, "-EFAULT"),
        (Errno::EBUSY, "-EBUSY"),
        (Errno::EINVAL, "-EINVAL"),
        (Errno::ENOSYS, "-ENOSYS"),
        (Errno::EOPNOTSUPP, "-EOPNOTSUPP"),
    ];
    for (errno, name) in known {
        assert_eq!(errno.to_string(), name);
    }
}

#[test]
fn structures_are_those_of_the_bindings() {
    let facts = structures();
    let compared: Vec<_> =
        facts.iter().filter_map(|fact| Some((&fact.c, fact.ours, fact.bindings?))).collect();
    assert!(compared.len() > 50, "{} compared", compared.len());
    for (c, ours, bindings) in compared {
        assert_eq!(ours, bindings, "{c}");
    }
}

#[test]
fn nothing_in_abi_goes_uncompared() {
    let this = include_str!("abi.rs");
    let uses = |name: &str| {
        let words = this.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| *word == name).count()
    };
    let abi = include_str!("../../crates/xen-pv/src/abi.rs");
    for line in abi.lines().filter(|line| line.starts_with("pub const ") || line.starts_with("pub struct ")) {
        let name = line.split([' ', ':']).nth(2).expect("a declaration has a name");
        assert!(uses(name) >= 2, "{name} is imported at most: compare it with Xen's headers above");
    }
    // A number of Xen's that lies elsewhere would not be compared.
    let calls = include_str!("../../crates/xen-pv/src/rt/hypercall.rs");
    let own: Vec<_> = calls
        .lines()
        .filter(|line| line.trim_start().starts_with("const ") && line.contains(": u"))
        .collect();
    assert!(own.is_empty(), "numbers of hypercalls belong into xen::abi: {own:?}");
    // `Name = 1,`: a variant of an enumeration.
    for (name, _) in abi.lines().filter(|line| line.ends_with(',')).filter_map(|line| line.split_once(" = "))
    {
        assert!(uses(name.trim()) >= 1, "{name} is not compared with Xen's headers above");
    }
}
