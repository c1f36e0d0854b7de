//! Page-wise copying and filling, and the memory functions that compiled code calls (mem.S).
//!
//! Which loop is fastest is the processor's own affair: string instructions by bytes are the best there is where
//! CPUID says so (ERMS), and 40 times slower than the others where instructions are emulated. So [`choose`] takes
//! what CPUID offers and times each on a page that is in the cache, once, at entry. Neighbours: `live` calls these;
//! `limits` measures each loop on memory as large as the P2M.

use core::arch::{asm, global_asm};
use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use revector::addr::{PAGE_SIZE, VirtAddr};
use revector::xen::Loop;

use super::{clock, cpu};

global_asm!(include_str!("mem.S"));

/// Times that each loop runs over the page on trial.
const TRIALS: u32 = 8;
/// Runs of each trial, to make it long beside a reading of the clock.
const ROUNDS: u64 = 4;

static COPY: AtomicU8 = AtomicU8::new(0);
static FILL: AtomicU8 = AtomicU8::new(0);

#[repr(C, align(4096))]
struct Trial([u64; 1024]);
static mut TRIAL: Trial = Trial([0; 1024]);

/// What was chosen, and what it was chosen from: nanoseconds a page.
#[derive(Debug)]
pub(crate) struct Choice {
    copy: [Option<u64>; 4],
    fill: [Option<u64>; 4],
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [copy, fill] =
            [&COPY, &FILL].map(|choice| Loop::ALL[usize::from(choice.load(Ordering::Relaxed))]);
        write!(
            f,
            "copying by {copy} (ns a page:{}), filling by {fill} (ns a page:{})",
            Times(&self.copy),
            Times(&self.fill)
        )
    }
}

struct Times<'a>(&'a [Option<u64>; 4]);

impl fmt::Display for Times<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (by, nanos) in Loop::ALL.into_iter().zip(self.0) {
            match nanos {
                Some(nanos) => write!(f, " {by} {nanos}")?,
                None => write!(f, " {by} -")?,
            }
        }
        Ok(())
    }
}

/// Chooses the loops; called once, when the clock goes.
pub(crate) fn choose() -> Choice {
    let room = VirtAddr::from_ptr(&raw const TRIAL);
    let other = VirtAddr::new_truncate(room.as_u64() + PAGE_SIZE);
    // SAFETY: both pages are `TRIAL`'s, which nothing else uses, here and below.
    let copy = Loop::ALL.map(|by| offered(by).then(|| time(|| unsafe { copy(by, room, other, 1) })));
    // SAFETY: as above.
    let fill = Loop::ALL.map(|by| offered(by).then(|| time(|| unsafe { fill(by, room, 1, 0) })));
    COPY.store(fastest(&copy), Ordering::Relaxed);
    FILL.store(fastest(&fill), Ordering::Relaxed);
    Choice { copy, fill }
}

/// The loop that pages are copied by.
pub(crate) fn copier() -> Loop {
    Loop::ALL[usize::from(COPY.load(Ordering::Relaxed))]
}

/// The loop that pages are filled by.
pub(crate) fn filler() -> Loop {
    Loop::ALL[usize::from(FILL.load(Ordering::Relaxed))]
}

fn offered(by: Loop) -> bool {
    by != Loop::ByteString || cpu::has_fast_strings()
}

/// The shortest of some runs: the others were interrupted by whoever shares the processor.
fn time(mut run: impl FnMut()) -> u64 {
    let once = |_| {
        let start = clock::nanos();
        (0..ROUNDS).for_each(|_| run());
        (clock::nanos() - start) / ROUNDS
    };
    (0..TRIALS).map(once).min().unwrap_or(u64::MAX)
}

fn fastest(times: &[Option<u64>; 4]) -> u8 {
    let timed = (0..).zip(times).filter_map(|(index, nanos)| nanos.map(|nanos| (nanos, index)));
    timed.min().map_or(0, |(_, index)| index)
}

/// Copies pages.
///
/// # Safety
/// As `Hypervisor::copy_pages`.
pub(crate) unsafe fn copy(by: Loop, from: VirtAddr, to: VirtAddr, pages: u64) {
    let (from, to, bytes) = (from.as_u64(), to.as_u64(), pages * PAGE_SIZE);
    if bytes == 0 {
        return;
    }
    // SAFETY: the caller vouches for both ranges, which are page-aligned and a multiple of 64 bytes long; the
    // direction flag is clear, as the ABI demands.
    unsafe {
        match by {
            Loop::Vectors => copy_vectors(from, to, bytes),
            Loop::Words => copy_words(from, to, bytes),
            Loop::WordString => asm!("rep movsq", inout("rdi") to => _, inout("rsi") from => _,
                inout("rcx") bytes / 8 => _, options(nostack, preserves_flags)),
            Loop::ByteString => asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _,
                inout("rcx") bytes => _, options(nostack, preserves_flags)),
        }
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
    // SAFETY: the caller vouches for the range; the direction flag is clear, as the ABI demands. The byte string
    // has bytes of one value only: where the word has others, words are stored.
    unsafe {
        match by {
            Loop::Vectors => fill_vectors(at, bytes, word),
            Loop::Words => fill_words(at, bytes, word),
            Loop::ByteString if word == u64::from(word as u8) * 0x0101_0101_0101_0101 => asm!("rep stosb",
                inout("rdi") at => _, inout("rcx") bytes => _, in("rax") word, options(nostack, preserves_flags)),
            Loop::WordString | Loop::ByteString => asm!("rep stosq", inout("rdi") at => _,
                inout("rcx") bytes / 8 => _, in("rax") word, options(nostack, preserves_flags)),
        }
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
