//! The heap of a guest: a small fixed piece, and pages lent to it while modules are loaded.
//!
//! Extents, batches and areas take kilobytes, whatever the domain's size: each stage allocates exactly what it needs,
//! and data that grows with the domain goes to pages of `pv_memory::frames`. The size is defined only here, for the
//! image (`rt::heap`, which puts the piece into bss) and for boots on the model (`xen_model::GuestHeap`), so that no
//! test has more room than the image.
//!
//! `linked_list_allocator` manages both pieces.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use linked_list_allocator::Heap;

/// Bytes of the fixed piece.
pub const BYTES: usize = 192 << 10;

/// The memory of the fixed piece.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Room([u8; BYTES]);

impl Room {
    /// Memory that nothing uses yet.
    pub const EMPTY: Self = Self([0; BYTES]);
}

/// Both pieces.
pub struct Pieces {
    own: Heap,
    lent: Heap,
    peak: usize,
    own_peak: usize,
}

impl Pieces {
    /// Starts without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { own: Heap::empty(), lent: Heap::empty(), peak: 0, own_peak: 0 }
    }

    /// Gives the heap its fixed piece.
    ///
    /// # Safety
    /// `room` must be valid for as long as any block is, and used by nothing else; this must be called only once.
    #[expect(unsafe_code, reason = "hands memory to the allocator")]
    pub unsafe fn start(&mut self, room: *mut Room) {
        // SAFETY: the caller's clause.
        unsafe { self.own.init(room.cast(), BYTES) };
    }

    /// Adds `bytes` bytes from `at` on, until they are taken back.
    ///
    /// # Safety
    /// They must be writable and nobody else's until [`Pieces::take_back`] returns them; no others may be lent.
    #[expect(unsafe_code, reason = "hands memory to the allocator")]
    pub unsafe fn lend(&mut self, at: *mut u8, bytes: usize) {
        // SAFETY: the caller's clause; the piece was empty.
        unsafe { self.lent.init(at, bytes) };
    }

    /// Stops using the lent pages; `false` if something in them is still in use, in which case they stay.
    pub fn take_back(&mut self) -> bool {
        let unused = self.lent.used() == 0;
        if unused {
            self.lent = Heap::empty();
        }
        unused
    }

    /// Returns the most bytes in use at once so far, in both pieces.
    #[must_use]
    pub const fn peak(&self) -> usize {
        self.peak
    }

    /// Returns the most bytes of the fixed piece in use at once so far.
    #[must_use]
    pub const fn own_peak(&self) -> usize {
        self.own_peak
    }

    /// Returns the bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.own.used() + self.lent.used()
    }

    /// Allocates a block, in the fixed piece if it has room; `None` if neither piece has.
    pub fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let own = self.own.allocate_first_fit(layout);
        let block = own.or_else(|()| self.lent.allocate_first_fit(layout)).ok()?;
        self.own_peak = self.own_peak.max(self.own.used());
        self.peak = self.peak.max(self.used());
        Some(block)
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block must be one of [`Pieces::allocate`], with its layout.
    #[expect(unsafe_code, reason = "hands memory to the allocator")]
    pub unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        let own = self.own.bottom()..self.own.top();
        let piece = if own.contains(&block.as_ptr()) { &mut self.own } else { &mut self.lent };
        // SAFETY: the caller's clause; its address tells which piece the block came from.
        unsafe { piece.deallocate(block, layout) };
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pieces({} of {BYTES} bytes in use, {} of lent ones)", self.own.used(), self.lent.used())
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Self::new()
    }
}
