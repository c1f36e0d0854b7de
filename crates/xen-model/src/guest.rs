//! Guest code on the model: it has a heap as small as the image's for as long as it runs.
//!
//! Neighbour: `heap` is that heap.

use crate::heap::{Lease, Running};
use crate::state::Xen;

impl Xen {
    /// Runs guest code: what it allocates comes from a heap that is as large as the image's.
    ///
    /// # Panics
    /// If that heap has no room, or the program's allocator is not [`GuestHeap`](crate::GuestHeap).
    pub fn run<R>(&mut self, guest: impl FnOnce(&mut Self) -> R) -> R {
        let _guest = Running::guest(self.heap.get_or_insert_with(Lease::take));
        let result = guest(self);
        drop(Running::host());
        result
    }

    /// Returns the most bytes of the fixed piece that guest code used at once so far, without what was lent.
    #[must_use]
    pub fn heap_peak(&self) -> usize {
        self.heap.as_ref().map_or(0, Lease::peak)
    }
}
