//! The image's heap for a boot on the model: guest code must not have more room on the host than it has in a guest.
//!
//! A test program names [`GuestHeap`] as its global allocator. What guest code allocates inside `Xen::run` then
//! comes from [`xen::heap::Pieces`], which the image's heap is made of too; what the model and the test allocate
//! comes from the system. Guest code that takes more than the image has is stopped at its next step into the model: an
//! allocator cannot panic, so it notes the request and serves it from the system until then.
//!
//! A test cannot leave it out by mistake: page tables change and stage 4 ends only for a guest inside `run`, and `run`
//! looks whether the program has the allocator.
//!
//! Neighbour: `guest` runs guest code in it.

use alloc::boxed::Box;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::hint::black_box;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use xen::addr::PAGE_SIZE;
use xen::heap::{BYTES, Pieces, Room};

/// Guests at once, in all threads of a test program.
const GUESTS: usize = 256;
/// Address space of one: the fixed piece, and what the boot lends.
const STRIDE: usize = 4 << 20;
const LENT_AT: usize = BYTES.next_multiple_of(1 << 20);

static HEAPS: [Mutex<Guest>; GUESTS] = [const { Mutex::new(Guest::NOBODY) }; GUESTS];
/// Where their memory starts; 0 until the first guest runs.
static BASE: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    /// The guest whose code this thread runs.
    static RUNNING: Cell<Option<usize>> = const { Cell::new(None) };
    /// The first request that its heap had no room for.
    static REFUSED: Cell<Option<Refused>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Refused {
    wanted: usize,
    used: usize,
}

/// One guest's heap.
struct Guest {
    pieces: Pieces,
    is_held: bool,
}

impl Guest {
    const NOBODY: Self = Self { pieces: Pieces::new(), is_held: false };
}

fn heap(number: usize) -> MutexGuard<'static, Guest> {
    HEAPS[number].lock().unwrap_or_else(PoisonError::into_inner)
}

/// The allocator of a test program: the system's, but for guest code.
#[derive(Clone, Copy, Debug)]
pub struct GuestHeap;

fn owner(block: *const u8) -> Option<usize> {
    let base = BASE.load(Ordering::Acquire);
    let offset = block.addr().wrapping_sub(base);
    (base != 0 && offset < GUESTS * STRIDE).then_some(offset / STRIDE)
}

// SAFETY: blocks come from `Pieces` or from the system; their address tells which, and `Pieces` hands out disjoint,
// aligned parts of memory that is nobody else's.
#[expect(unsafe_code, reason = "implements Rust's allocator")]
unsafe impl GlobalAlloc for GuestHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(number) = RUNNING.get() {
            let mut guest = heap(number);
            if let Some(block) = guest.pieces.allocate(layout) {
                return block.as_ptr();
            }
            if REFUSED.get().is_none() {
                REFUSED.set(Some(Refused { wanted: layout.size(), used: guest.pieces.used() }));
            }
        }
        // SAFETY: the caller's clause is the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if RUNNING.get().is_none() {
            // SAFETY: the caller's clause is the callee's.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: the caller's clause is the callee's.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: just allocated, with so many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if RUNNING.get().is_none() && owner(block).is_none() {
            // SAFETY: the caller's clause is the callee's; the block is the system's.
            return unsafe { System.realloc(block, layout, bytes) };
        }
        // As the image's allocator does it: both blocks are there for a moment.
        let Ok(wanted) = Layout::from_size_align(bytes, layout.align()) else { return core::ptr::null_mut() };
        // SAFETY: the caller says that there are more than no bytes.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks have as many bytes, and are two.
            unsafe { moved.copy_from_nonoverlapping(block, layout.size().min(bytes)) };
            // SAFETY: the caller's block, with its layout.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match (owner(block), NonNull::new(block)) {
            // SAFETY: the caller passes a block of `alloc` with its layout; its address says whose it is.
            (Some(number), Some(block)) => unsafe { heap(number).pieces.free(block, layout) },
            // SAFETY: as above.
            _ => unsafe { System.dealloc(block, layout) },
        }
    }
}

/// The heap of one domain. Blocks may outlive it: their memory is used again when the last is freed.
pub(crate) struct Lease(usize);

impl Lease {
    /// Finds room that nobody uses.
    pub(crate) fn take() -> Self {
        let base = base();
        for number in 0..GUESTS {
            let mut guest = heap(number);
            if guest.is_held || guest.pieces.used() > 0 {
                continue;
            }
            *guest = Guest { pieces: Pieces::new(), is_held: true };
            let room = (base + number * STRIDE) as *mut Room;
            #[expect(unsafe_code, reason = "hands memory to the allocator")]
            // SAFETY: this guest's own part of the reservation, never freed; its former heap has no block left.
            unsafe {
                guest.pieces.start(room);
            }
            return Self(number);
        }
        panic!("{GUESTS} guests at once: a test keeps too many domains");
    }

    /// Lends as many bytes as the pages have: the model's frames do not lie together.
    pub(crate) fn lend(&self, pages: u64) {
        let bytes = (pages * PAGE_SIZE) as usize;
        assert!(LENT_AT + bytes <= STRIDE, "{pages} pages lent to the heap: the model has not so much room");
        let at = (BASE.load(Ordering::Acquire) + self.0 * STRIDE + LENT_AT) as *mut u8;
        #[expect(unsafe_code, reason = "hands memory to the allocator")]
        // SAFETY: this guest's own part of the reservation, after the fixed piece.
        unsafe {
            heap(self.0).pieces.lend(at, bytes);
        }
    }

    pub(crate) fn take_back(&self) -> bool {
        heap(self.0).pieces.take_back()
    }

    /// Returns the most bytes of the fixed piece that were in use at once.
    pub(crate) fn peak(&self) -> usize {
        heap(self.0).pieces.own_peak()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        heap(self.0).is_held = false;
    }
}

/// Reserves address space for all guests; pages that nobody touches take no memory.
#[expect(unsafe_code, reason = "takes memory from the system")]
fn base() -> usize {
    static RESERVED: OnceLock<usize> = OnceLock::new();
    *RESERVED.get_or_init(|| {
        let layout = Layout::from_size_align(GUESTS * STRIDE, PAGE_SIZE as usize).expect("a power of two");
        // SAFETY: the layout has more than no bytes.
        let base = unsafe { System.alloc(layout) }.expose_provenance();
        assert_ne!(base, 0, "no address space for the guests' heaps");
        BASE.store(base, Ordering::Release);
        base
    })
}

/// Whose code a thread runs, until this is dropped.
#[must_use = "the thread goes back to whom it ran for before when this is dropped"]
pub(crate) struct Running {
    before: Option<usize>,
}

impl Running {
    fn switch(to: Option<usize>) -> Self {
        Self { before: RUNNING.replace(to) }
    }

    /// Runs guest code: what it allocates comes from this heap.
    ///
    /// # Panics
    /// If the program's allocator is not [`GuestHeap`].
    pub(crate) fn guest(lease: &Lease) -> Self {
        // A test that failed before on this thread may have left one.
        REFUSED.set(None);
        let running = Self::switch(Some(lease.0));
        let block = black_box(Box::new(0_u8));
        assert!(
            owner(&raw const *block).is_some(),
            "no guest heap: a program that boots on the model needs #[global_allocator] static HEAP: GuestHeap"
        );
        running
    }

    /// Runs the model's or the test's own code: the system's memory, not the guest's.
    ///
    /// # Panics
    /// If the guest asked for more than the image's heap has.
    pub(crate) fn host() -> Self {
        let running = Self::switch(None);
        running.check();
        running
    }

    /// As [`Running::host`], for what only a guest does.
    ///
    /// # Panics
    /// If no guest runs: it would have the host's heap.
    pub(crate) fn host_for_guest(what: &str) -> Self {
        let running = Self::host();
        assert!(
            running.before.is_some(),
            "{what} outside Xen::run: guest code on the model runs there, in a heap as small as the image's"
        );
        running
    }

    fn check(&self) {
        if let (Some(_), Some(Refused { wanted, used })) = (self.before, REFUSED.take()) {
            panic!(
                "the image's heap would be exhausted: {wanted} bytes wanted, {used} of {BYTES} (and what was lent) in \
                 use"
            );
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(self.before);
    }
}
