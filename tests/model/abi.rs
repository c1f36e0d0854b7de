//! Compares `xen::abi`, the error names and the ELF notes with two descriptions of Xen that are not ours.
//!
//! The first are Xen's public headers, read by a C compiler: every offset, size and number. The second is the crate
//! `xen-sys`, other people's bindings to an older release; its layouts are right, its calls are not, so only the
//! former are used. A number that exists on our side only is a slip that every test on a model of Xen would repeat.

use std::mem::{offset_of, size_of};

use xen::Errno;
use xen::abi::{
    ConsoleRing, MmuExtOp, MmuUpdate, Poll, Reservation, SharedInfo, StartInfo, StoreHeader, StoreRing,
    TrapInfo, VcpuInfo, VcpuTime,
};

mod headers;
mod numbers;

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
            format!("offsetof(struct {name}, {})", stringify!($($path).+).replace("r#", "")),
            offset_of!($ours, $field) as u64,
        ));)+
        $(facts.push(number(
            format!("sizeof(((struct {name} *)0)->{})", stringify!($($path).+).replace("r#", "")),
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
        structure!(without bindings StoreRing = xenstore_domain_interface;
            requests = req, replies = rsp, req_cons = req_cons, req_prod = req_prod, rsp_cons = rsp_cons,
            rsp_prod = rsp_prod, server_features = server_features, connection = connection, error = error,
        ),
        structure!(without bindings StoreHeader = xsd_sockmsg;
            kind = r#type, request = req_id, transaction = tx_id, len = len,
        ),
        structure!(without bindings Reservation = xen_memory_reservation;
            extent_start = extent_start, nr_extents = nr_extents, extent_order = extent_order,
            mem_flags = mem_flags, domid = domid,
        ),
    ];
    all.into_iter().flatten().collect()
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
    assert_headers_agree("numbers", &numbers::all());
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
    let this = concat!(include_str!("abi.rs"), include_str!("abi/numbers.rs"));
    let uses = |name: &str| {
        let words = this.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| *word == name).count()
    };
    let abi = concat!(
        include_str!("../../crates/xen-pv/src/abi.rs"),
        include_str!("../../crates/xen-pv/src/abi/rings.rs")
    );
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
