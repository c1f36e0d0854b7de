//! Sample module: prints a line, and proves from the inside that it was relocated right.
//!
//! A relocation that is off by four bytes often still runs. So each check makes one type of relocation produce
//! something that can be compared: the result of a call, the value of a variable, or the same address by three ways.
//! The module has text, constants, variables and init text of less than a page each, hence an image of exactly four
//! pages; with a guard page it asks for 20480 bytes, the amount in the message that this project starts from:
//! `vmalloc: allocation failure, allocated 16384 of 20480 bytes`.
//!
//! Nothing of `core` may be called that is not inlined: the kernel exports `revector_print` only. So there is no
//! formatting, no slice index and no copy of more than a register.
//!
//! Build: rustc --edition 2024 --crate-type lib --crate-name hello --emit obj -C panic=abort -C opt-level=2
//! -C relocation-model=static -C code-model=kernel -C no-redzone=yes -C codegen-units=1
//! --target x86_64-unknown-linux-gnu

#![no_std]

use core::arch::asm;

const CHECKS: u8 = 6;
const SEED: u32 = 0x5eed_1234;
const BSS_WORDS: usize = 64;

type Step = extern "C" fn(u32) -> u32;

unsafe extern "C" {
    /// Writes `len` bytes of text at `text` to the kernel's log.
    fn revector_print(text: *const u8, len: usize);
}

/// Functions by address: three `R_X86_64_64` in a read-only section.
static STEPS: [Step; 3] = [double, invert, mix];
/// Variable with a value from the file.
static mut COUNTER: u32 = SEED;
/// Variable that holds the address of another one: `R_X86_64_64` in a writable section.
static mut COUNTER_AT: *mut u32 = &raw mut COUNTER;
/// Variable that has no bytes in the file.
static mut BLANK: [u64; BSS_WORDS] = [0; BSS_WORDS];
/// Line to print; the first digit is filled in.
static mut VERDICT: [u8; VERDICT_LEN] = *b"hello: ? of 6 relocation checks hold";
const VERDICT_LEN: usize = 36;
const VERDICT_DIGIT: usize = 7;
static FAREWELL: [u8; 14] = *b"hello: goodbye";

/// Runs the checks and prints how many hold; returns 0 if all do.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".init.text")]
pub extern "C" fn init_module() -> i32 {
    let held = calls_reach_other_sections()
        + table_of_functions_points_to_them()
        + variable_has_its_value()
        + pointer_points_to_its_variable()
        + bss_is_zero_and_writable()
        + address_is_the_same_by_three_ways();
    print_verdict(held);
    if held == CHECKS { 0 } else { -1 }
}

/// Prints a line; the module can be unmapped afterwards.
#[unsafe(no_mangle)]
pub extern "C" fn cleanup_module() {
    // SAFETY: `FAREWELL` is a static of its own length, and the kernel only reads it.
    unsafe { revector_print(FAREWELL.as_ptr(), FAREWELL.len()) };
}

/// Init text calls text: `R_X86_64_PLT32` or `R_X86_64_PC32` from one part into another.
#[unsafe(link_section = ".init.text")]
#[inline(never)]
fn calls_reach_other_sections() -> u8 {
    u8::from(mix(double(opaque(20))) == 0x0100_0029 && invert(opaque(0)) == u32::MAX)
}

/// Constants hold 64-bit addresses of text.
#[unsafe(link_section = ".init.text")]
#[inline(never)]
fn table_of_functions_points_to_them() -> u8 {
    let mut value = 20;
    let mut at = &raw const STEPS as *const Step;
    for _ in 0..STEPS.len() {
        // SAFETY: `at` walks the elements of `STEPS`; volatile, so that the table is read and not assumed.
        value = unsafe { at.read_volatile() }(value);
        at = at.wrapping_add(1);
    }
    u8::from(value == mix(invert(double(opaque(20)))))
}

/// Text addresses data: `R_X86_64_PC32` or `R_X86_64_32S`.
#[unsafe(link_section = ".init.text")]
#[inline(never)]
fn variable_has_its_value() -> u8 {
    let counter = &raw mut COUNTER;
    // SAFETY: modules run one at a time, on one processor; no reference to the static exists.
    let before = unsafe { counter.read_volatile() };
    // SAFETY: as above.
    unsafe { counter.write_volatile(before.wrapping_add(1)) };
    // SAFETY: as above.
    let after = unsafe { counter.read_volatile() };
    u8::from(before == SEED && after == SEED + 1)
}

/// Data holds an address of data.
#[unsafe(link_section = ".init.text")]
#[inline(never)]
fn pointer_points_to_its_variable() -> u8 {
    // SAFETY: nobody else uses the static; see `variable_has_its_value`.
    let pointer = unsafe { (&raw const COUNTER_AT).read_volatile() };
    if pointer != &raw mut COUNTER {
        return 0;
    }
    // SAFETY: it is the address of `COUNTER`, checked above.
    unsafe { pointer.write_volatile(SEED ^ 1) };
    // SAFETY: see `variable_has_its_value`.
    let seen = unsafe { (&raw const COUNTER).read_volatile() };
    u8::from(seen == SEED ^ 1)
}

/// The loader cleared what the file has no bytes for.
#[unsafe(link_section = ".init.text")]
#[inline(never)]
fn bss_is_zero_and_writable() -> u8 {
    let mut all = 0;
    let mut at = (&raw mut BLANK).cast::<u64>();
    for _ in 0..BSS_WORDS {
        // SAFETY: `at` walks the words of `BLANK`; nobody else uses the static.
        all |= unsafe { at.read_volatile() };
        // SAFETY: as above.
        unsafe { at.write_volatile(u64::MAX) };
        at = at.wrapping_add(1);
    }
    u8::from(all == 0)
}

/// One address relative to the instruction, sign-extended from 32 bits, and in full, must come out alike.
#[unsafe(link_section = ".init.text")]
#[inline(never)]
fn address_is_the_same_by_three_ways() -> u8 {
    let (relative, extended, full): (u64, u64, u64);
    // SAFETY: loads an address and touches neither memory nor flags.
    unsafe {
        asm!("lea {}, [rip + {}]", out(reg) relative, sym mix, options(nomem, nostack, preserves_flags))
    };
    // SAFETY: as above.
    unsafe {
        asm!("mov {}, offset {}", out(reg) extended, sym mix, options(nomem, nostack, preserves_flags))
    };
    // SAFETY: as above.
    unsafe { asm!("movabs {}, offset {}", out(reg) full, sym mix, options(nomem, nostack, preserves_flags)) };
    u8::from(relative == extended && extended == full && full == mix as *const () as u64)
}

#[unsafe(link_section = ".init.text")]
#[inline(never)]
fn print_verdict(held: u8) {
    let line = (&raw mut VERDICT).cast::<u8>();
    // SAFETY: the digit is inside `VERDICT`, which nobody else uses.
    unsafe { line.add(VERDICT_DIGIT).write_volatile(b'0' + held) };
    // SAFETY: `VERDICT_LEN` bytes of text are inside `VERDICT`, and the kernel only reads them.
    unsafe { revector_print(line, VERDICT_LEN) };
}

#[inline(never)]
extern "C" fn double(value: u32) -> u32 {
    opaque(value).wrapping_mul(2)
}

#[inline(never)]
extern "C" fn invert(value: u32) -> u32 {
    !opaque(value)
}

#[inline(never)]
extern "C" fn mix(value: u32) -> u32 {
    opaque(value).wrapping_add(0x0100_0001)
}

/// Hides a value from the optimizer, which would compute the checks at compile time.
#[inline(always)]
fn opaque(mut value: u32) -> u32 {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0:e} */", inout(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}
