//! How much of the image's stack has been needed.
//!
//! Until stage 4 takes the guard page below it away, an overflow says nothing: it writes into that page, and then into
//! the image's constants. The builder zeroes the stack, as it does each part of a segment that is not in the file, and a
//! stack grows down: what was never written is the zeros at its lower end.

use core::arch::asm;

use super::linker;
use super::peak::Peak;
use crate::addr::{VirtAddr, VirtRange};

/// Returns how much of the stack has been written so far; frames may have reached deeper without writing there.
///
/// It reads the part that was never written: at most as many words as the stack has.
#[must_use]
pub fn peak() -> Peak {
    let stack = linker::stack();
    let reached = first_written(stack);
    Peak { used: (stack.end_raw() - reached) as usize, of: stack.bytes as usize }
}

/// Returns the address of the lowest word that is not zero, or the address after the range.
fn first_written(stack: VirtRange) -> u64 {
    let (start, words): (VirtAddr, u64) = (stack.start, stack.bytes / 8);
    let (after, zeros): (u64, u8);
    // SAFETY: the range is the image's own stack, mapped from the first instruction on; the words are only read, by one
    // instruction that the compiler cannot reason about. The direction flag is clear, as the ABI demands.
    unsafe {
        asm!(
            "repe scasq",
            "sete {zeros}",
            zeros = out(reg_byte) zeros,
            inout("rdi") start.as_u64() => after, inout("rcx") words => _, in("rax") 0u64,
            options(nostack, readonly)
        );
    }
    if zeros == 1 { after } else { after - 8 }
}
