//! The builder's P2M list, read a page at a time where the builder mapped it.
//!
//! Until the tree is built the list is the only P2M. It has not been proved yet that all of it is mapped, so the first
//! read of each page is allowed to fault. Neighbours: `walk` compares page tables with it, `builder_list` asks where
//! the list itself lies, `p2m::build` looks up the frames of leaves.

use crate::error::MmError;
use crate::p2m::Leaves;
use crate::window::{ShownPage, Stretch, Window};
use xen::addr::{ENTRIES, Mfn, Pfn};
use xen::{Hypervisor, List, Words};

/// Entry for a page without a frame, and for pages after the last.
const NONE: u64 = u64::MAX;

/// A reader of the list, which keeps the page that it found last: while it exists, no page table can change.
#[derive(Debug)]
pub(crate) struct Listed<'x, X> {
    list: List,
    xen: &'x X,
    found: Option<(Pfn, ShownPage<'x>)>,
}

impl<'x, X: Hypervisor> Listed<'x, X> {
    pub(crate) const fn new(list: List, xen: &'x X) -> Self {
        Self { list, xen, found: None }
    }

    /// Returns the entries of the 512 pages from `slot` on, all ones after the last page of the domain.
    ///
    /// # Errors
    /// [`MmError::NotMapped`] if that page of the list cannot be read.
    pub(crate) fn page(&mut self, slot: Pfn) -> Result<Words, MmError> {
        let used = self.list.entries().saturating_sub(slot.raw()).min(ENTRIES);
        if used == 0 {
            return Ok([NONE; 512]);
        }
        let mut words = self.find(slot)?.words(self.xen);
        // At most 512: fits any usize.
        words[used as usize..].fill(NONE);
        Ok(words)
    }

    /// Returns the first of 512 contiguous frames of the pages from `first` on, if both the list and M2P say that they
    /// are such.
    ///
    /// # Errors
    /// As for [`Listed::page`].
    pub(crate) fn contiguous_frames(&mut self, first: Pfn) -> Result<Option<Mfn>, MmError> {
        if first.raw().saturating_add(ENTRIES) > self.list.entries() {
            return Ok(None);
        }
        let (slot, page) = (first.slot_start(), self.find(first.slot_start())?);
        let stretch = if first == slot {
            Some(page.into())
        } else {
            // Below 512: fits any usize.
            Stretch::across(page, first.above(slot) as usize, self.find(slot.plus(ENTRIES))?)
        };
        Ok(stretch.and_then(|stretch| stretch.contiguous_frames(self.xen, first)))
    }

    /// Returns the entry of a page, all ones after the last.
    ///
    /// # Errors
    /// As for [`Listed::page`].
    pub(crate) fn word(&mut self, pfn: Pfn) -> Result<u64, MmError> {
        if pfn.raw() >= self.list.entries() {
            return Ok(NONE);
        }
        // Below 512: fits any usize.
        Ok(self.find(pfn.slot_start())?.word(self.xen, (pfn.raw() % ENTRIES) as usize))
    }

    fn find(&mut self, slot: Pfn) -> Result<ShownPage<'x>, MmError> {
        if let Some((_, page)) = self.found.filter(|(found, _)| *found == slot) {
            return Ok(page);
        }
        let page = ShownPage::probe(self.list.address(slot), self.xen)?;
        self.found = Some((slot, page));
        Ok(page)
    }

    /// Returns the frame of a page.
    ///
    /// # Errors
    /// [`MmError::NoFrame`] if it has none, and as for [`Listed::page`].
    pub(crate) fn frame(&mut self, pfn: Pfn) -> Result<Mfn, MmError> {
        Mfn::from_p2m(self.word(pfn)?).ok_or(MmError::NoFrame { pfn })
    }

    /// Returns the page that a machine frame backs, according to both M2P and the list.
    pub(crate) fn page_of(&mut self, mfn: Mfn) -> Option<Pfn> {
        self.xen.m2p(mfn)?.confirmed(|pfn| self.frame(pfn).ok())
    }
}

impl<X: Hypervisor> Leaves<X> for List {
    fn leaf_words(&self, _: &Window, xen: &X, slot: Pfn) -> Words {
        Listed::new(*self, xen).page(slot).unwrap_or([NONE; 512])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use xen::start_info::BootInfo;
    use xen_model::Domain;

    /// The toolstack leaves zeros after the last entry, and zero is a machine frame like any other.
    #[test]
    fn there_is_no_frame_after_the_last_page_whatever_the_list_ends_with() {
        let domain = Domain { pages: 16384 + 7, ..Domain::guest(64) };
        let mut built = domain.build().unwrap();
        let (start_info, facts) = (built.start_info, built.facts);
        built.xen.run(|xen| {
            let info = BootInfo::parse(&start_info, facts, xen).unwrap();
            let layout = Layout::plan(&info).unwrap();
            let (last, mut listed) = (Pfn::new(16384), Listed::new(layout.list(), &*xen));
            assert_ne!(listed.word(last.plus(6)), Ok(NONE));
            assert_eq!(listed.word(last.plus(7)), Ok(NONE));
            assert!(listed.page(last).unwrap()[7..].iter().all(|&word| word == NONE));
        });
    }
}
