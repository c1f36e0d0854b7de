//! What the processor offers, as far as Xen shows it to a PV guest.
//!
//! A plain `cpuid` bypasses Xen and shows the machine's processor; with Xen's prefix Xen answers, and hides what the
//! guest shall not use. Sources: xen/include/public/arch-x86/xen.h (XEN_CPUID).

use core::arch::asm;

/// Returns the registers eax and ebx of a CPUID leaf.
fn cpuid(leaf: u32) -> (u32, u32) {
    let (eax, ebx): (u32, u64);
    // SAFETY: `ud2` and "xen" before an instruction make Xen emulate it; it changes only the four outputs. rbx is
    // reserved by the compiler and saved by hand.
    unsafe {
        asm!(
            "mov {keep}, rbx",
            ".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e",
            "cpuid",
            "xchg {keep}, rbx",
            keep = out(reg) ebx,
            inout("eax") leaf => eax,
            inout("ecx") 0 => _,
            out("edx") _,
        );
    }
    (eax, ebx as u32)
}

/// Tells whether byte string instructions are as fast as any other loop (ERMS, leaf 7).
pub(crate) fn has_fast_strings() -> bool {
    const ERMS: u32 = 1 << 9;
    let (highest, _) = cpuid(0);
    highest >= 7 && cpuid(7).1 & ERMS != 0
}
