//! Page-wise copying and filling, and the memory functions that compiled code calls (mem.S).

use core::arch::{asm, global_asm};

use revector::addr::{PAGE_SIZE, VirtAddr};

global_asm!(include_str!("mem.S"));

/// Copies pages, 64 bytes a step: string instructions are slow under emulation, vectors are fast everywhere.
///
/// # Safety
/// As `Hypervisor::copy_pages`.
pub(crate) unsafe fn copy(from: VirtAddr, to: VirtAddr, pages: u64) {
    let bytes = pages * PAGE_SIZE;
    if bytes == 0 {
        return;
    }
    // SAFETY: the caller vouches for both ranges, which are page-aligned and a multiple of 64 bytes long.
    unsafe {
        asm!(
            "2:",
            "movdqa xmm0, [{from}]",
            "movdqa xmm1, [{from} + 16]",
            "movdqa xmm2, [{from} + 32]",
            "movdqa xmm3, [{from} + 48]",
            "movdqa [{to}], xmm0",
            "movdqa [{to} + 16], xmm1",
            "movdqa [{to} + 32], xmm2",
            "movdqa [{to} + 48], xmm3",
            "add {from}, 64",
            "add {to}, 64",
            "sub {left}, 64",
            "jnz 2b",
            from = inout(reg) from.as_u64() => _,
            to = inout(reg) to.as_u64() => _,
            left = inout(reg) bytes => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            options(nostack),
        );
    }
}

/// Fills pages with one word.
///
/// # Safety
/// As `Hypervisor::fill_pages`.
pub(crate) unsafe fn fill(at: VirtAddr, pages: u64, word: u64) {
    let words = pages * PAGE_SIZE / 8;
    // SAFETY: the caller vouches for the range; the direction flag is clear, as the ABI demands.
    unsafe {
        asm!(
            "rep stosq",
            inout("rdi") at.as_u64() => _,
            inout("rcx") words => _,
            in("rax") word,
            options(nostack, preserves_flags),
        );
    }
}
