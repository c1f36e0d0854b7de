//! Exceptions: execution resumes if a probe or a module caused them; otherwise they are reported and fatal.
//!
//! A PV guest has no IDT; `set_trap_table` gives Xen a list of handlers, and Xen builds the frame (traps.S).
//!
//! Xen switches stacks only for an exception in user mode (`stack_switch`). This kernel never leaves kernel mode, so
//! Xen pushes the frame where the stack pointer is. If that is the guard page below the stack, Xen's own store
//! faults, nothing can be delivered, and Xen kills the domain: the guest's console just ends, and Xen's log has
//! "domain_crash_sync called from entry.S", the walk to the guard page, and the registers. No handler in the guest
//! could do better, because there is no stack for it to run on. `selftest=stack` shows it.

use core::arch::global_asm;
use core::fmt;

use crate::abi::{FLAT_KERNEL_CS, TrapInfo};
use crate::addr::VirtAddr;
use crate::{Errno, Trapped};

use super::die::{self, Cause};
use super::hypercall;
use super::symbols::Symbol;
use super::{console, guard, linker, probe, shared, tables, trace};

global_asm!(include_str!("traps.S"), trap = sym trap);

const PAGE_FAULT: u64 = 14;
/// Flags that compiled code does not expect: trap, direction, nested task, alignment check.
const UNWANTED_FLAGS: u64 = 1 << 8 | 1 << 10 | 1 << 14 | 1 << 18;
/// Vectors with a handler: all but the NMI (2), reserved 15, and the machine check (18).
const VECTORS: [u8; 17] = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19];

const NAMES: [&str; 20] = [
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "reserved",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
];

/// What traps.S leaves on the stack, lowest address first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Frame {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    r11: u64,
    r10: u64,
    r9: u64,
    r8: u64,
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rcx: u64,
    rax: u64,
    vector: u64,
    code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Registers a handler for every exception.
pub(crate) fn start() -> Result<(), Errno> {
    let entries = linker::trap_entries();
    let mut table = [TrapInfo { vector: 0, flags: 0, cs: 0, address: 0 }; VECTORS.len() + 1];
    for (info, vector) in table.iter_mut().zip(VECTORS) {
        let entry = (entries + u64::from(vector) * 8).as_ptr::<u64>();
        // SAFETY: traps.S puts one address for each of the vectors 0 to 19 there.
        let address = unsafe { entry.read() };
        *info = TrapInfo { vector, flags: 0, cs: FLAT_KERNEL_CS, address };
    }
    // SAFETY: each entry takes over Xen's frame (traps.S), and the last element is zero.
    unsafe { hypercall::set_trap_table(&table) }
}

/// Called by traps.S. Returning resumes at `frame.rip`.
extern "C" fn trap(frame: &mut Frame) {
    if let Some(resume) = probe::fixup(frame.rip) {
        frame.rip = resume;
        return;
    }
    let trapped = Trapped { vector: frame.vector, rip: frame.rip };
    if let Some(landing) = guard::landing(trapped) {
        report(frame, "exception in a module:");
        frame.rip = landing.rip;
        frame.rsp = landing.rsp;
        frame.rflags &= !UNWANTED_FLAGS;
        return;
    }
    die::begin();
    report(frame, "unexpected exception");
    die::crash(Cause::Trap { vector: frame.vector, rip: frame.rip })
}

fn report(frame: &Frame, what: &str) {
    let name = usize::try_from(frame.vector).ok().and_then(|vector| NAMES.get(vector)).unwrap_or(&"unknown");
    console::write(format_args!("*** {what} {}: {name}, error code {:#06x}\n", frame.vector, frame.code));
    if frame.vector == PAGE_FAULT {
        let at = VirtAddr::new_truncate(shared::fault_address());
        let access = if frame.code & 16 != 0 {
            "executing"
        } else if frame.code & 2 != 0 {
            "writing"
        } else {
            "reading"
        };
        let why =
            if frame.code & 1 != 0 { "the mapping does not allow it" } else { "nothing is mapped there" };
        console::write(format_args!("*** {access} {at:#018x}: {why}\n"));
        print_walk(at);
    }
    console::write(format_args!("{frame}"));
    trace::print_from(frame.rip, frame.rbp);
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "RIP: {:04x}:[<{:016x}>] {}", self.cs as u16, self.rip, Symbol::Instruction(self.rip))?;
        writeln!(f, "RSP: {:04x}:{:016x}  RFLAGS: {:016x}", self.ss as u16, self.rsp, self.rflags)?;
        writeln!(f, "RAX: {:016x}  RBX: {:016x}  RCX: {:016x}", self.rax, self.rbx, self.rcx)?;
        writeln!(f, "RDX: {:016x}  RSI: {:016x}  RDI: {:016x}", self.rdx, self.rsi, self.rdi)?;
        writeln!(f, "RBP: {:016x}  R08: {:016x}  R09: {:016x}", self.rbp, self.r8, self.r9)?;
        writeln!(f, "R10: {:016x}  R11: {:016x}  R12: {:016x}", self.r10, self.r11, self.r12)?;
        writeln!(f, "R13: {:016x}  R14: {:016x}  R15: {:016x}", self.r13, self.r14, self.r15)
    }
}

/// Prints the page-table entries for an address, from L4 down.
fn print_walk(at: VirtAddr) {
    tables::walk(at, |level, found| match found {
        Ok(word) => console::write(format_args!("  {level:?}[{}] = {word:#018x}\n", level.index(at))),
        Err(table) => console::write(format_args!("  {level:?}: table {table} cannot be read\n")),
    });
}
