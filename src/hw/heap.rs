//! The heap: a fixed piece of the image's bss under `linked_list_allocator`.
//!
//! Holds extents, batches, areas: kilobytes, whatever the domain's size; and what loading a module takes meanwhile. Pages come from
//! `mm::frames`, not from here.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use linked_list_allocator::Heap;
use spin::Mutex;

/// Bytes of heap.
const BYTES: usize = 2 << 20;

#[repr(C, align(16))]
struct Room([u8; BYTES]);

static mut ROOM: Room = Room([0; BYTES]);

struct Locked(Mutex<Heap>);

#[global_allocator]
static HEAP: Locked = Locked(Mutex::new(Heap::empty()));

/// Gives the heap its memory; called once, at entry, before anything allocates.
pub(crate) fn start() {
    let room = &raw mut ROOM;
    // SAFETY: `ROOM` is used nowhere else, and this runs once.
    unsafe { HEAP.0.lock().init(room.cast(), BYTES) };
}

// SAFETY: blocks come from `Heap`, which hands out disjoint, aligned parts of `ROOM`.
unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller passes a block of `alloc` with its layout, as `GlobalAlloc` demands.
            unsafe { self.0.lock().deallocate(block, layout) };
        }
    }
}
