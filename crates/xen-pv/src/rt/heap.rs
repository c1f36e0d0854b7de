//! The heap's place in the image: its fixed piece is in bss, and Rust's global allocator uses it.
//!
//! [`crate::heap`] defines the heap and its size, for the model too.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use super::peak::Peak;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::heap::{BYTES, Pieces, Room};
use spin::Mutex;

static mut ROOM: Room = Room::EMPTY;

struct Locked(Mutex<Pieces>);

static HEAP: Locked = Locked(Mutex::new(Pieces::new()));

/// Gives the heap its memory; called once, at entry, before anything allocates.
pub(crate) fn start() {
    let room = &raw mut ROOM;
    // SAFETY: `ROOM` is used nowhere else, and this runs once.
    unsafe { HEAP.0.lock().start(room) };
}

/// Adds `pages` pages to the heap, until they are taken back; none may be lent already.
///
/// # Safety
/// The pages must be mapped writable, and nobody else's until [`take_back`] returns them.
pub unsafe fn lend(at: VirtAddr, pages: u64) {
    // SAFETY: the caller's clause; there was no lent piece, or nothing in it was in use.
    unsafe { HEAP.0.lock().lend(at.as_mut_ptr(), (pages * PAGE_SIZE) as usize) };
}

/// Stops using the lent pages; `false` if something in them is still in use, in which case they stay.
pub fn take_back() -> bool {
    HEAP.0.lock().take_back()
}

/// Returns how much has been in use so far, in both pieces, and the bytes of the fixed one.
#[must_use]
pub fn peak() -> Peak {
    Peak { used: HEAP.0.lock().peak(), of: BYTES }
}

/// The image's allocator; [`entry!`](crate::entry) makes it the global one.
#[derive(Clone, Copy, Debug)]
pub struct Allocator;

// SAFETY: blocks come from `Heap`, which hands out disjoint, aligned parts of the piece it was given.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.0.lock().allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller passes a block of `alloc` with its layout, as `GlobalAlloc` demands.
            unsafe { HEAP.0.lock().free(block, layout) };
        }
    }
}
