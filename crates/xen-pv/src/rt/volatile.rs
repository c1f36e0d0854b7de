//! Fields that Xen or the other end of a ring reads and writes at any time.
//!
//! A field is an address, a structure's base plus `offset_of!`; only the access itself is unsafe. A field that only
//! one side writes is read and written; one that both sides change is an atomic, because a read, a change and a write
//! would undo what the other side does in between.

use core::arch::asm;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::AtomicU64;

use crate::Words;
use crate::addr::VirtAddr;

/// Returns the address of a field.
pub const fn field(base: VirtAddr, offset: usize) -> VirtAddr {
    VirtAddr::new_truncate(base.as_u64().wrapping_add(offset as u64))
}

/// Reads a field.
///
/// # Safety
/// A `T` must be mapped there, aligned; any bit pattern must be a `T`.
pub unsafe fn read<T: Copy>(at: VirtAddr) -> T {
    // SAFETY: the caller's clause is the callee's.
    unsafe { ptr::read_volatile(at.as_ptr()) }
}

/// Writes a field that only this side writes.
///
/// # Safety
/// A `T` must be mapped there writable, aligned, and be ours to write.
pub unsafe fn write<T: Copy>(at: VirtAddr, value: T) {
    // SAFETY: the caller's clause is the callee's.
    unsafe { ptr::write_volatile(at.as_mut_ptr(), value) }
}

/// Copies a page out, each word by one access: a loop of [`read`] at a fraction of its instructions, which nobody
/// else can take apart, leave out or repeat either.
///
/// # Safety
/// A page must be mapped there, aligned.
pub unsafe fn read_page(at: VirtAddr) -> Words {
    let mut words = MaybeUninit::<Words>::uninit();
    // SAFETY: reads the caller's page and writes `words`, 512 words each; the direction flag is clear, as the ABI
    // demands.
    unsafe {
        asm!(
            "rep movsq",
            inout("rcx") 512 => _, inout("rsi") at.as_u64() => _, inout("rdi") words.as_mut_ptr() => _,
            options(nostack, preserves_flags)
        );
    }
    // SAFETY: every word was written just now.
    unsafe { words.assume_init() }
}

/// Borrows a word that both sides change.
///
/// # Safety
/// A word must be mapped there writable, aligned, for good, and be changed by atomic instructions only.
pub unsafe fn atomic<'r>(at: VirtAddr) -> &'r AtomicU64 {
    // SAFETY: the caller's clause is the callee's.
    unsafe { AtomicU64::from_ptr(at.as_mut_ptr()) }
}
