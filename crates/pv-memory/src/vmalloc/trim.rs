//! Cutting the end off an area: what a module needs only for its initialization is given back right after it.
//!
//! Neighbours: `vmalloc` holds the areas; `module::load` trims.

use alloc::vec::Vec;

use super::{Area, Record, Vmalloc, release, unmap};
use crate::error::MmError;
use crate::frames::Run;
use crate::memory::Memory;
use xen::Hypervisor;
use xen::addr::{PAGE_SIZE, VirtRange};

impl Vmalloc {
    /// Unmaps all but the first `keep` pages of an area and gives their frames back. The first page cut off is the
    /// area's guard page from then on.
    ///
    /// # Errors
    /// [`MmError`] if Xen refuses; the area is unchanged then.
    pub fn trim<X: Hypervisor>(
        &mut self,
        area: &mut Area,
        keep: u64,
        memory: &mut Memory<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let Some(record) = self.records.iter_mut().find(|record| record.id == area.id) else { return Ok(()) };
        let pages = area.span.pages();
        if keep == 0 || keep >= pages {
            return Ok(());
        }
        unmap(record.pages_from(keep), memory.tables, xen)?;
        area.span.shorten(keep);
        release(record.cut(keep), memory.tables, memory.frames)
    }
}

impl Record {
    /// Keeps the first `keep` pages, returns the others.
    fn cut(&mut self, keep: u64) -> Vec<Run> {
        self.range = VirtRange::new(self.range.start, keep * PAGE_SIZE);
        let (mut kept, mut gone, mut left) = (Vec::new(), Vec::new(), keep);
        for mut run in self.runs.drain(..) {
            let pages = run.pages().pages();
            if left >= pages {
                left -= pages;
                kept.push(run);
            } else {
                if left > 0 {
                    kept.push(run.split_front(left));
                    left = 0;
                }
                gone.push(run);
            }
        }
        self.runs = kept;
        gone
    }
}
