//! Code and constants in every mapping of their frames.
//!
//! A page is only as protected as its most generous mapping, and to Xen two mappings of a frame have nothing to do with
//! each other: it keeps a frame from being a page table and writable, not from being code and writable. So pages of
//! which an area makes code or constants are *sealed*: what the direct map shows of them, now or later, is read-only
//! until they are unmapped from the area. So are the page tables of a list with a mapping of its own, until that
//! mapping is dropped: of these Xen allows nothing else. Nothing else maps free memory: the high mapping's L1 tables
//! are the direct map's own until they are cleared, and the image's show what is not the image read-only (`image`).
//!
//! Neighbours: `vmalloc` seals and unseals, in the hypercall that changes the area; `builder_list` seals tables and
//! `cleanup` unseals them; `direct_map` and
//! `p2m::baseline` ask what a page may be shown as; `module::check` reads the entries back.

use crate::commit::{Batch, Slot};
use crate::error::MmError;
use crate::tables::Tables;
use xen::Hypervisor;
use xen::addr::{Mfn, Pfn, PfnRange};
use xen::pte::{Access, Pte};

impl Tables {
    /// Returns the entry with which the direct map shows a page.
    pub(crate) fn entry_to_show(&self, pfn: Pfn, mfn: Mfn) -> Pte {
        Pte::leaf(mfn, if self.is_sealed(pfn) { Access::ReadOnly } else { Access::Data })
    }

    /// Finds the direct map's entry of a page, if it is shown.
    ///
    /// # Errors
    /// As for [`Tables::find`].
    pub fn alias<X: Hypervisor>(&self, xen: &X, pfn: Pfn) -> Result<Option<(Slot, Pte)>, MmError> {
        if !self.window().shows(PfnRange::new(pfn, 1)) {
            return Ok(None);
        }
        Ok(self.leaf(xen, self.window().address(pfn))?.filter(|(_, entry)| entry.is_present()))
    }

    /// Seals pages: whatever shows them from now on shows them read-only. Those shown already follow by
    /// [`Tables::protect_alias`].
    pub(crate) fn seal(&mut self, pages: PfnRange) {
        self.sealed.insert(pages);
    }

    /// Unseals pages, whose aliases are writable again or are none.
    pub(crate) fn unseal(&mut self, pages: PfnRange) {
        self.sealed.remove(pages);
    }

    /// Adds to `batch` what makes a sealed page's alias read-only. Goes before the change that makes it code.
    pub(crate) fn protect_alias<X: Hypervisor>(
        &self,
        xen: &X,
        batch: &mut Batch,
        pfn: Pfn,
    ) -> Result<(), MmError> {
        if let Some((slot, entry)) = self.alias(xen, pfn)?.filter(|(_, entry)| entry.is_writable()) {
            batch.change(slot, entry, entry.read_only());
        }
        Ok(())
    }

    /// Tells whether a page is sealed. Of most that are unmapped none is: this is all that they cost.
    #[inline]
    pub(crate) fn is_sealed(&self, pfn: Pfn) -> bool {
        self.sealed.has(pfn)
    }

    /// Adds to `batch` what gives a sealed page's alias the right to be written back. Goes after the change by
    /// which it is code no more; the page's next owner may write to it, or make a page table of it.
    pub(crate) fn release_alias<X: Hypervisor>(
        &self,
        xen: &X,
        batch: &mut Batch,
        pfn: Pfn,
    ) -> Result<(), MmError> {
        if let Some((slot, entry)) = self.alias(xen, pfn)?.filter(|(_, entry)| !entry.is_writable()) {
            batch.change(slot, entry, Pte::leaf(entry.mfn(), Access::Data));
        }
        Ok(())
    }
}
