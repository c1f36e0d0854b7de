//! An area: its addresses, and the right to read and write them, which ends when it is dropped.
//!
//! Xen unmaps whatever it is asked to unmap, and the next use of the page faults. So pages are unmapped only after
//! their area was dropped, and an area never gives its pages away: if two areas could exchange theirs, dropping one
//! would unmap the other's.
//!
//! Neighbours: `vmalloc` makes areas and unmaps those that were dropped; `window` reads and writes the pages.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::span::Span;
use xen::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use xen::pte::Access;
use xen::{Hypervisor, Words};

/// Number of an area.
pub(super) type Id = u64;

/// A mapped area; dropping it returns it at the next [`Vmalloc::purge`](super::Vmalloc::purge).
#[derive(Debug)]
pub struct Area {
    pub(super) id: Id,
    /// The pages, without the guard.
    pub(super) span: Span,
    dropped: Rc<RefCell<Vec<Id>>>,
}

impl Area {
    /// Makes the area with number `id`, which is put on the list `dropped` when it is dropped.
    pub(super) fn new(id: Id, span: Span, dropped: &Rc<RefCell<Vec<Id>>>) -> Self {
        Self { id, span, dropped: Rc::clone(dropped) }
    }

    /// Returns the pages, without the guard, for reading.
    #[must_use]
    pub const fn span(&self) -> &Span {
        &self.span
    }

    /// Borrows a page for writing. If it has been made read-only, a write faults.
    ///
    /// # Panics
    /// If there are not so many pages.
    pub fn page_mut<'x, X: Hypervisor>(&mut self, xen: &'x mut X, index: u64) -> &'x mut Words {
        self.span.page_mut(xen, index)
    }

    /// Returns the addresses, without the guard page.
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        VirtRange::new(self.span.start(), self.span.pages() * PAGE_SIZE)
    }

    /// Returns the address of the guard page.
    #[must_use]
    pub const fn guard(&self) -> VirtAddr {
        VirtAddr::new_truncate(self.range().end_raw())
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.id);
    }
}

/// Rights of a part of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Its first page, counted from the area's.
    pub first: u64,
    /// Its pages.
    pub pages: u64,
    /// What they allow.
    pub access: Access,
}
