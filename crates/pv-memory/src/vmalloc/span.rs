//! The pages of an area, read and written by whoever owns it.
//!
//! Unlike a [`Window`](crate::window::Window), a span shows nobody else what it shows: `vmalloc` maps the pages for one
//! owner and unmaps them once the span is gone. With `window`, `commit` and `module::call`, this file is where unsafe
//! methods of the seam are called.

use xen::addr::{PAGE_SIZE, VirtAddr};
use xen::{Hypervisor, Words};

/// Pages of address space, mapped for their owner only: what `vmalloc` hands out.
#[derive(Debug)]
pub struct Span {
    at: VirtAddr,
    pages: u64,
}

impl Span {
    /// Records that `pages` pages are mapped from `at` on, to frames that nobody else uses.
    pub(super) const fn new(at: VirtAddr, pages: u64) -> Self {
        Self { at, pages }
    }

    /// Returns the first address.
    #[must_use]
    pub const fn start(&self) -> VirtAddr {
        self.at
    }

    /// Returns the number of pages.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Records that only the first `pages` pages are still mapped.
    pub(super) const fn shorten(&mut self, pages: u64) {
        assert!(pages <= self.pages);
        self.pages = pages;
    }

    fn checked(&self, index: u64) -> VirtAddr {
        assert!(index < self.pages, "page {index} of {}", self.pages);
        VirtAddr::new_truncate(self.at.as_u64().wrapping_add(index * PAGE_SIZE))
    }

    /// Copies a page out.
    ///
    /// # Panics
    /// If there are not so many pages.
    #[expect(unsafe_code, reason = "reads through the seam")]
    pub fn page<X: Hypervisor>(&self, xen: &X, index: u64) -> Words {
        let at = self.checked(index);
        // SAFETY: mapped while the span lives (`vmalloc` unmaps only what was dropped).
        unsafe { xen.page(at) }
    }

    /// Reads the first word of a page.
    ///
    /// # Panics
    /// As for [`Span::page`].
    #[expect(unsafe_code, reason = "reads through the seam")]
    pub fn first_word<X: Hypervisor>(&self, xen: &X, index: u64) -> u64 {
        let at = self.checked(index);
        // SAFETY: as in `page`.
        unsafe { xen.word(at) }
    }

    /// Borrows the first `len` bytes.
    ///
    /// # Panics
    /// If there are not so many.
    #[expect(unsafe_code, reason = "reads through the seam")]
    pub fn bytes<X: Hypervisor>(&self, xen: &X, len: usize) -> &[u8] {
        assert!(len as u64 <= self.pages * PAGE_SIZE, "{len} bytes of {} pages", self.pages);
        // SAFETY: mapped as for `page`; data, never a table, and not written while borrowed, because writing takes
        // `&mut self`.
        unsafe { xen.bytes(self.at, len) }
    }

    /// Borrows a page for writing. If it has been made read-only, a write faults.
    ///
    /// # Panics
    /// If there are not so many pages.
    #[expect(unsafe_code, reason = "writes through the seam")]
    pub(super) fn page_mut<'x, X: Hypervisor>(&mut self, xen: &'x mut X, index: u64) -> &'x mut Words {
        let at = self.checked(index);
        // SAFETY: mapped as for `page`; owned by the span's holder, who has the only reference (`&mut self`).
        unsafe { xen.page_mut(at) }
    }
}
