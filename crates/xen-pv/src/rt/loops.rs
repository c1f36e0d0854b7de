//! Loops that copy and fill pages, one for each [`Loop`], and the one that compares a page with a [`Row`].
//!
//! They are in assembly so that each is what its name says: the compiler would turn any of them into a call of
//! `memcpy`, and may not use vectors for words that others write to. Neighbours: `memory` chooses one, `live` runs it.

use core::arch::asm;

use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::{Loop, Row};

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

/// Copies fewer words than a page has, from and to any word; too few for another loop to be worth choosing.
///
/// # Safety
/// As `Pages::copy_words`.
pub(crate) unsafe fn copy_part(from: VirtAddr, to: VirtAddr, words: usize) {
    // SAFETY: the caller's clause is the callee's.
    unsafe { copy_word_string(from.as_u64(), to.as_u64(), words as u64 * 8) }
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

/// Compares a page's worth of words with a row, two at a time; returns the bits in which any differs.
///
/// Each word is aligned, so it lies in one cache line. Were it torn all the same while somebody writes it, the comparison
/// would say that it differs, and whoever asks looks at each word.
///
/// # Safety
/// 512 words must be mapped at `at`, which is a multiple of 8.
pub(crate) unsafe fn differences(at: VirtAddr, row: Row) -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: only reads the caller's words.
    unsafe {
        asm!(
            // The next two words expected, and the step from them to the two after.
            "movq xmm0, {first}",
            "movq xmm1, {second}",
            "punpcklqdq xmm0, xmm1",
            "movq xmm1, {two_steps}",
            "punpcklqdq xmm1, xmm1",
            "pxor xmm2, xmm2",
            "2:",
            "movdqu xmm3, [{at}]",
            "movdqu xmm4, [{at} + 16]",
            "movdqu xmm5, [{at} + 32]",
            "movdqu xmm6, [{at} + 48]",
            "pxor xmm3, xmm0",
            "paddq xmm0, xmm1",
            "pxor xmm4, xmm0",
            "paddq xmm0, xmm1",
            "pxor xmm5, xmm0",
            "paddq xmm0, xmm1",
            "pxor xmm6, xmm0",
            "paddq xmm0, xmm1",
            "por xmm2, xmm3",
            "por xmm2, xmm4",
            "por xmm2, xmm5",
            "por xmm2, xmm6",
            "add {at}, 64",
            "sub {left:e}, 64",
            "jnz 2b",
            "movq {low}, xmm2",
            "psrldq xmm2, 8",
            "movq {high}, xmm2",
            first = in(reg) row.first, second = in(reg) row.first.wrapping_add(row.step),
            two_steps = in(reg) row.step.wrapping_mul(2),
            at = inout(reg) at.as_u64() => _, left = inout(reg) PAGE_SIZE as u32 => _,
            low = lateout(reg) low, high = lateout(reg) high,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _,
            options(nostack, readonly),
        );
    }
    low | high
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    /// The naive twin has the same answer, for a word that is wrong anywhere, and at addresses that only words have.
    #[test]
    fn a_page_differs_in_the_bits_that_its_words_do() {
        let mut words = Box::new([0_u64; 520]);
        for start in 0..4 {
            for wrong in [None, Some(0), Some(1), Some(300), Some(511)] {
                let row = Row { first: u64::MAX - 100, step: 4097 };
                let page: &mut [u64; 512] = (&mut words[start..start + 512]).try_into().unwrap();
                for (index, word) in (0..).zip(page.iter_mut()) {
                    *word = row.first.wrapping_add(row.step * index);
                }
                if let Some(index) = wrong {
                    page[index] ^= 1 << (index % 64);
                }
                // SAFETY: the words of `page`.
                let found = unsafe { differences(VirtAddr::from_ptr(page), row) };
                assert_eq!(found, row.differences(page), "from word {start}, {wrong:?}");
                assert_eq!(found != 0, wrong.is_some());
            }
        }
    }
}
