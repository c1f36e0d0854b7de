//! Reads that survive a fault: one instruction, and a table that says where to resume.
//!
//! The trap handler looks up the faulting instruction in the exception table and resumes after it. Used to prove
//! that something is unmapped, to look into Xen's M2P, which has holes, and to walk tables while dying.

use core::arch::asm;

use crate::Faulted;
use crate::addr::VirtAddr;

use super::linker;

/// Reads the word at `at`, if the processor can.
#[inline]
pub fn read(at: VirtAddr) -> Result<u64, Faulted> {
    let word: u64;
    let good: u64;
    // SAFETY: reading cannot harm, and a fault resumes at label 3 with `good` still zero. The trap handler keeps the
    // general registers; the vector registers, which it may use, are declared clobbered.
    unsafe {
        asm!(
            "xor {good:e}, {good:e}",
            "xor {word:e}, {word:e}",
            "2: mov {word}, [{at}]",
            "mov {good:e}, 1",
            "3:",
            ".pushsection .ex_table, \"a\"",
            ".quad 2b, 3b",
            ".popsection",
            at = in(reg) at.as_u64(),
            word = out(reg) word,
            good = out(reg) good,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(readonly),
        );
    }
    if good == 1 { Ok(word) } else { Err(Faulted) }
}

/// Returns where to resume after a fault at `rip`, if a probe caused it.
pub fn fixup(rip: u64) -> Option<u64> {
    let start = linker::ex_table();
    let entries = (linker::ex_table_end() - start) / 16;
    (0..entries).map(|entry| start + entry * 16).find_map(|entry| {
        let at = entry.as_ptr::<[u64; 2]>();
        // SAFETY: the linker put whole entries of two words between the two symbols, 16-byte aligned, never written.
        let [fault, resume] = unsafe { at.read() };
        (fault == rip).then_some(resume)
    })
}
