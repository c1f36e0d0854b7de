//! The heap: a small fixed piece of the image's bss, and pages lent to it while modules are loaded.
//!
//! Extents, batches and areas are kilobytes, whatever the domain's size. Loading modules takes more, for its lists
//! of symbols and pages; the boot lends pages for that and takes them back, so that they are not the image's for
//! good. `linked_list_allocator` manages both pieces. Pages for other uses come from `mm::frames`, not from here.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use linked_list_allocator::Heap;
use revector::addr::{PAGE_SIZE, VirtAddr};
use spin::Mutex;

/// Bytes of the heap's own piece.
const BYTES: usize = 192 << 10;

#[repr(C, align(16))]
struct Room([u8; BYTES]);

static mut ROOM: Room = Room([0; BYTES]);

struct Pieces {
    own: Heap,
    lent: Heap,
    /// Most bytes in use at once.
    peak: usize,
}

struct Locked(Mutex<Pieces>);

#[global_allocator]
static HEAP: Locked = Locked(Mutex::new(Pieces { own: Heap::empty(), lent: Heap::empty(), peak: 0 }));

/// Gives the heap its memory; called once, at entry, before anything allocates.
pub(crate) fn start() {
    let room = &raw mut ROOM;
    // SAFETY: `ROOM` is used nowhere else, and this runs once.
    unsafe { HEAP.0.lock().own.init(room.cast(), BYTES) };
}

/// Uses `pages` pages as well, until they are taken back; there must not be any lent ones yet.
///
/// # Safety
/// The pages must be mapped writable, and nobody else's until [`take_back`] returns them.
pub(crate) unsafe fn lend(at: VirtAddr, pages: u64) {
    // SAFETY: the caller's clause; the piece was empty, or nothing in it was in use.
    unsafe { HEAP.0.lock().lent.init(at.as_mut_ptr(), (pages * PAGE_SIZE) as usize) };
}

/// Stops using the lent pages; `false` if something in them is still in use, and then they stay.
pub(crate) fn take_back() -> bool {
    let mut pieces = HEAP.0.lock();
    let unused = pieces.lent.used() == 0;
    if unused {
        pieces.lent = Heap::empty();
    }
    unused
}

/// The most bytes in use so far, and the bytes of the own piece.
pub(crate) fn peak() -> (usize, usize) {
    (HEAP.0.lock().peak, BYTES)
}

impl Pieces {
    fn piece_of(&mut self, block: NonNull<u8>) -> &mut Heap {
        let own = self.own.bottom()..self.own.top();
        if own.contains(&block.as_ptr()) { &mut self.own } else { &mut self.lent }
    }

    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let block =
            self.own.allocate_first_fit(layout).or_else(|()| self.lent.allocate_first_fit(layout)).ok()?;
        self.peak = self.peak.max(self.own.used() + self.lent.used());
        Some(block)
    }
}

// SAFETY: blocks come from `Heap`, which hands out disjoint, aligned parts of the piece it was given.
unsafe impl GlobalAlloc for Locked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller passes a block of `alloc` with its layout, as `GlobalAlloc` demands; its address
            // tells which piece it came from.
            unsafe { self.0.lock().piece_of(block).deallocate(block, layout) };
        }
    }
}
