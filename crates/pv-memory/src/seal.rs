//! Code and constants in every mapping of their frames.
//!
//! A page is only as protected as its most permissive mapping, and Xen does not relate two mappings of a frame to each
//! other: it keeps a frame from being a page table and writable, but not from being code and writable. So pages that
//! hold the code or constants of an area are *sealed*: the direct map shows them read-only, now or later, until they
//! are unmapped from the area. The page tables of a list with a mapping of its own are sealed too, until that mapping
//! is dropped: Xen allows nothing else for them. Free memory has no other mapping: the high mapping shares its L1
//! tables with the direct map until they are cleared, and the image's own tables show read-only what is not the image
//! (`image`).
//!
//! Neighbours: `vmalloc` seals and unseals, in the hypercall that changes the area; `builder_list` seals tables and
//! `cleanup` unseals them; `direct_map` and `p2m::baseline` ask with which rights a page may be mapped; `module::check`
//! reads the entries back.

use crate::commit::{Batch, Slot};
use crate::error::MmError;
use crate::tables::Tables;
use xen::Hypervisor;
use xen::addr::{Mfn, Pfn, PfnRange};
use xen::pte::{Access, Pte};

impl Tables {
    /// Returns the entry with which the direct map maps a page.
    pub(crate) fn entry_to_show(&self, pfn: Pfn, mfn: Mfn) -> Pte {
        Pte::leaf(mfn, if self.is_sealed(pfn) { Access::ReadOnly } else { Access::Data })
    }

    /// Finds the direct map's entry for a page, if there is one.
    ///
    /// # Errors
    /// As for [`Tables::find`].
    pub fn alias<X: Hypervisor>(&self, xen: &X, pfn: Pfn) -> Result<Option<(Slot, Pte)>, MmError> {
        if !self.window().shows(PfnRange::new(pfn, 1)) {
            return Ok(None);
        }
        Ok(self.leaf(xen, self.window().address(pfn))?.filter(|(_, entry)| entry.is_present()))
    }

    /// Seals pages: they are mapped read-only from now on. [`Tables::protect_alias`] does the same for those that are
    /// mapped already.
    pub(crate) fn seal(&mut self, pages: PfnRange) {
        self.sealed.insert(pages);
    }

    /// Unseals pages, whose aliases are writable again or do not exist.
    pub(crate) fn unseal(&mut self, pages: PfnRange) {
        self.sealed.remove(pages);
    }

    /// Adds to `batch` the change that makes a sealed page's alias read-only; must precede the one that makes it code.
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

    /// Tells whether a page is sealed. Most pages that are unmapped are not, and cost nothing but this check.
    #[inline]
    pub(crate) fn is_sealed(&self, pfn: Pfn) -> bool {
        self.sealed.has(pfn)
    }

    /// Adds to `batch` the change that makes a sealed page's alias writable again; must follow the one after which the
    /// page is no longer code. The page's next owner may write to it, or make a page table of it.
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
