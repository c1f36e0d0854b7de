//! Loops that copy and fill pages, one for each [`Loop`].
//!
//! They are in assembly so that each is what its name says: the compiler would turn any of them into a call of
//! `memcpy`. Neighbours: `memory` chooses one, `live` runs it.

use core::arch::asm;

use crate::Loop;
use crate::addr::{PAGE_SIZE, VirtAddr};

/// Copies pages.
///
/// # Safety
/// As `Hypervisor::copy_pages`.
pub(crate) unsafe fn copy(by: Loop, from: VirtAddr, to: VirtAddr, pages: u64) {
    let (from, to, bytes) = (from.as_u64(), to.as_u64(), pages * PAGE_SIZE);
    if bytes == 0 {
        return;
    }
    let run: unsafe fn(u64, u64, u64) = match by {
        Loop::Vectors => copy_vectors,
        Loop::Words => copy_words,
        Loop::WordString => copy_word_string,
        Loop::ByteString => copy_byte_string,
    };
    // SAFETY: the caller vouches for both ranges, which are page-aligned and a multiple of 64 bytes long.
    unsafe { run(from, to, bytes) }
}

/// # Safety
/// As [`copy`].
unsafe fn copy_word_string(from: u64, to: u64, bytes: u64) {
    // SAFETY: the caller's clause; the direction flag is clear, as the ABI demands.
    unsafe {
        asm!(
            "rep movsq",
            inout("rdi") to => _, inout("rsi") from => _, inout("rcx") bytes / 8 => _,
            options(nostack, preserves_flags)
        );
    }
}

/// # Safety
/// As [`copy`].
unsafe fn copy_byte_string(from: u64, to: u64, bytes: u64) {
    // SAFETY: as in `copy_word_string`.
    unsafe {
        asm!(
            "rep movsb",
            inout("rdi") to => _, inout("rsi") from => _, inout("rcx") bytes => _,
            options(nostack, preserves_flags)
        );
    }
}

/// # Safety
/// As [`copy`]; `bytes` is not zero.
unsafe fn copy_vectors(from: u64, to: u64, bytes: u64) {
    // SAFETY: the caller's clause; 16-byte alignment follows from that of pages.
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
            from = inout(reg) from => _, to = inout(reg) to => _, left = inout(reg) bytes => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            options(nostack),
        );
    }
}

/// # Safety
/// As [`copy_vectors`].
unsafe fn copy_words(from: u64, to: u64, bytes: u64) {
    // SAFETY: the caller's clause.
    unsafe {
        asm!(
            "2:",
            "mov rax, [{from}]",
            "mov rcx, [{from} + 8]",
            "mov rdx, [{from} + 16]",
            "mov r8, [{from} + 24]",
            "mov r9, [{from} + 32]",
            "mov r10, [{from} + 40]",
            "mov r11, [{from} + 48]",
            "mov r12, [{from} + 56]",
            "mov [{to}], rax",
            "mov [{to} + 8], rcx",
            "mov [{to} + 16], rdx",
            "mov [{to} + 24], r8",
            "mov [{to} + 32], r9",
            "mov [{to} + 40], r10",
            "mov [{to} + 48], r11",
            "mov [{to} + 56], r12",
            "add {from}, 64",
            "add {to}, 64",
            "sub {left}, 64",
            "jnz 2b",
            from = inout(reg) from => _, to = inout(reg) to => _, left = inout(reg) bytes => _,
            out("rax") _, out("rcx") _, out("rdx") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            out("r12") _,
            options(nostack),
        );
    }
}

/// Fills pages with one word.
///
/// # Safety
/// As `Hypervisor::fill_pages`.
pub(crate) unsafe fn fill(by: Loop, at: VirtAddr, pages: u64, word: u64) {
    let (at, bytes) = (at.as_u64(), pages * PAGE_SIZE);
    if bytes == 0 {
        return;
    }
    let run: unsafe fn(u64, u64, u64) = match by {
        Loop::Vectors => fill_vectors,
        Loop::Words => fill_words,
        // Only for a word whose bytes are all equal; any other word is stored as a whole.
        Loop::ByteString if word == u64::from(word as u8) * 0x0101_0101_0101_0101 => fill_byte_string,
        Loop::WordString | Loop::ByteString => fill_word_string,
    };
    // SAFETY: the caller vouches for the range, which is page-aligned and a multiple of 64 bytes long.
    unsafe { run(at, bytes, word) }
}

/// # Safety
/// As [`fill`].
unsafe fn fill_word_string(at: u64, bytes: u64, word: u64) {
    // SAFETY: the caller's clause; the direction flag is clear, as the ABI demands.
    unsafe {
        asm!(
            "rep stosq",
            inout("rdi") at => _, inout("rcx") bytes / 8 => _, in("rax") word,
            options(nostack, preserves_flags)
        );
    }
}

/// # Safety
/// As [`fill`]; the bytes of `word` are equal.
unsafe fn fill_byte_string(at: u64, bytes: u64, word: u64) {
    // SAFETY: as in `fill_word_string`.
    unsafe {
        asm!(
            "rep stosb",
            inout("rdi") at => _, inout("rcx") bytes => _, in("rax") word,
            options(nostack, preserves_flags)
        );
    }
}

/// # Safety
/// As [`fill`]; `bytes` is not zero.
unsafe fn fill_vectors(at: u64, bytes: u64, word: u64) {
    // SAFETY: the caller's clause; 16-byte alignment follows from that of pages.
    unsafe {
        asm!(
            "movq xmm0, {word}",
            "punpcklqdq xmm0, xmm0",
            "2:",
            "movdqa [{at}], xmm0",
            "movdqa [{at} + 16], xmm0",
            "movdqa [{at} + 32], xmm0",
            "movdqa [{at} + 48], xmm0",
            "add {at}, 64",
            "sub {left}, 64",
            "jnz 2b",
            word = in(reg) word, at = inout(reg) at => _, left = inout(reg) bytes => _,
            out("xmm0") _,
            options(nostack),
        );
    }
}

/// # Safety
/// As [`fill_vectors`].
unsafe fn fill_words(at: u64, bytes: u64, word: u64) {
    // SAFETY: the caller's clause.
    unsafe {
        asm!(
            "2:",
            "mov [{at}], {word}",
            "mov [{at} + 8], {word}",
            "mov [{at} + 16], {word}",
            "mov [{at} + 24], {word}",
            "mov [{at} + 32], {word}",
            "mov [{at} + 40], {word}",
            "mov [{at} + 48], {word}",
            "mov [{at} + 56], {word}",
            "add {at}, 64",
            "sub {left}, 64",
            "jnz 2b",
            word = in(reg) word, at = inout(reg) at => _, left = inout(reg) bytes => _,
            options(nostack),
        );
    }
}
