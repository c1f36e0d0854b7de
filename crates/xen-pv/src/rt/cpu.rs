//! What the processor offers, as Xen lets a PV guest know it.
//!
//! A plain `cpuid` shows the machine's processor, past Xen; with Xen's prefix Xen answers, and hides what the guest
//! shall not use. Sources: xen/include/public/arch-x86/xen.h (XEN_CPUID).

use core::arch::asm;

/// Returns the registers eax and ebx of a CPUID leaf.
fn cpuid(leaf: u32) -> (u32, u32) {
    let (eax, ebx): (u32, u64);
    // SAFETY: `ud2` and "xen" before an instruction have Xen emulate it; it changes the four outputs only. rbx is
    // the compiler's and is kept by hand.
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

/// Tells whether string instructions by bytes are as fast as any other loop (ERMS, leaf 7).
pub(crate) fn has_fast_strings() -> bool {
    const ERMS: u32 = 1 << 9;
    let (highest, _) = cpuid(0);
    highest >= 7 && cpuid(7).1 & ERMS != 0
}
