//! Rights of parts of an area: code, constants, data, in every mapping of their frames.
//!
//! The area's own entries are one half; the direct map's entries for the same frames are the other (`seal`).
//! Both change in one hypercall, in an order in which no frame is ever executable in one and writable in the other.
//!
//! Neighbours: `vmalloc` holds the areas; `module::load` gives the parts of a module their rights.

use super::{Area, Record, Rights, Vmalloc};
use crate::commit::Batch;
use crate::error::MmError;
use crate::frames::part;
use crate::tables::{Tables, pages_of};
use xen::Hypervisor;
use xen::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use xen::pte::{Access, Pte};

impl Vmalloc {
    /// Changes the rights of parts of an area. In the same hypercall the direct map's view of the pages becomes
    /// read-only for code and constants, and writable for data.
    ///
    /// # Errors
    /// [`MmError`] if Xen refuses; of an area larger than a batch, a part may be changed then.
    pub fn protect<X: Hypervisor>(
        &self,
        area: &Area,
        parts: &[Rights],
        tables: &mut Tables,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let record = self.record(area)?;
        let mut batch = Batch::new();
        for &Rights { first, pages, access } in parts {
            if access != Access::Data {
                record.part(first, pages).for_each(|part| tables.seal(part));
            }
            let start = VirtAddr::new_truncate(area.span.start().as_u64() + first * PAGE_SIZE);
            let own = record.part(first, pages).flat_map(PfnRange::iter);
            for (at, pfn) in pages_of(VirtRange::new(start, pages * PAGE_SIZE)).zip(own) {
                protect_page(at, pfn, access, tables, &mut batch, xen)?;
                batch.commit_if_full(xen)?;
            }
        }
        batch.commit(xen)?;
        for &Rights { first, pages, .. } in parts.iter().filter(|part| part.access == Access::Data) {
            record.part(first, pages).for_each(|part| tables.unseal(part));
        }
        Ok(())
    }

    /// Returns the pages that are mapped at `pages` addresses, from page `first` of an area on.
    ///
    /// # Errors
    /// [`MmError::NotMapped`] if there is no such area any more.
    pub fn pages_backing(
        &self,
        area: &Area,
        first: u64,
        pages: u64,
    ) -> Result<impl Iterator<Item = Pfn>, MmError> {
        Ok(self.record(area)?.part(first, pages).flat_map(PfnRange::iter))
    }
}

impl Record {
    /// The pages that are mapped at `pages` addresses, from page `first` of the area on.
    pub(super) fn part(&self, first: u64, pages: u64) -> impl Iterator<Item = PfnRange> {
        part(&self.runs, first, pages).map(|(_, part)| part)
    }
}

/// Changes a page of an area together with its alias: at no time is one executable while the other is writable.
fn protect_page<X: Hypervisor>(
    at: VirtAddr,
    pfn: Pfn,
    access: Access,
    tables: &Tables,
    batch: &mut Batch,
    xen: &X,
) -> Result<(), MmError> {
    let (slot, entry) = tables.leaf(xen, at)?.ok_or(MmError::NotMapped { at })?;
    let now = Pte::leaf(entry.mfn(), access);
    match access {
        Access::Code | Access::ReadOnly => {
            tables.protect_alias(xen, batch, pfn)?;
            batch.change(slot, entry, now);
        }
        Access::Data => {
            batch.change(slot, entry, now);
            if tables.is_sealed(pfn) {
                tables.release_alias(xen, batch, pfn)?;
            }
        }
    }
    Ok(())
}
