//! Pages that are mapped, to be read: by word, as a whole, or compared with words that count up.
//!
//! They are read, never borrowed, because a page may be a page table. Neighbours: a window hands them out; `listed` finds
//! pages by reading them.

use core::marker::PhantomData;

use crate::error::MmError;
use xen::addr::{Mfn, PAGE_SIZE, Pfn, VirtAddr};
use xen::{Hypervisor, Row, Words};

/// A page that a window shows, or that was found by reading it. It is read, never borrowed: it may be a page table,
/// which the processor and Xen write to.
#[derive(Clone, Copy, Debug)]
pub struct ShownPage<'w> {
    at: VirtAddr,
    window: PhantomData<&'w ()>,
}

impl<'x> ShownPage<'x> {
    /// Records that a page is mapped at `at` for as long as `'x`, as the file above has checked.
    pub(super) const fn new(at: VirtAddr) -> Self {
        Self { at, window: PhantomData }
    }

    /// Returns its address.
    pub(super) const fn start(self) -> VirtAddr {
        self.at
    }

    /// Finds a page by reading it. It stays mapped while `xen` is borrowed: nobody can change page tables meanwhile.
    ///
    /// # Errors
    /// [`MmError::NotMapped`] if reading it faults.
    pub(crate) fn probe<X: Hypervisor>(at: VirtAddr, xen: &'x X) -> Result<Self, MmError> {
        xen.probe(at).map_err(|_| MmError::NotMapped { at })?;
        Ok(Self::new(at))
    }
}

impl ShownPage<'_> {
    /// Copies the page out: 4 KiB, so by value only where all of it is needed at once; the stack has 64.
    #[expect(unsafe_code, reason = "reads through the seam")]
    #[inline]
    pub fn words<X: Hypervisor>(self, xen: &X) -> Words {
        // SAFETY: mapped, because a window shows it, which is dropped before its mapping goes, or because reading it did
        // not fault and no page table has changed since (`probe`).
        unsafe { xen.page(self.at) }
    }

    /// Reads the word with index `index`.
    ///
    /// # Panics
    /// If a page has no such word.
    #[expect(unsafe_code, reason = "reads through the seam")]
    #[inline]
    pub fn word<X: Hypervisor>(self, xen: &X, index: usize) -> u64 {
        assert!(index < 512, "word {index} of a page");
        // SAFETY: mapped, as in `words`; within the page and aligned, by the assertion.
        unsafe { xen.word(VirtAddr::new_truncate(self.at.as_u64() + index as u64 * 8)) }
    }

    /// Compares the words with those of a row: the bits in which any differs.
    pub(crate) fn differences<X: Hypervisor>(self, xen: &X, row: Row) -> u64 {
        Stretch::from(self).differences(xen, row)
    }

    /// Reads the words one after the other.
    pub(crate) fn iter<X: Hypervisor>(self, xen: &X) -> impl Iterator<Item = u64> {
        (0..512).map(move |index| self.word(xen, index))
    }
}

/// As many words as a page has, which need not start one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'w> {
    at: VirtAddr,
    window: PhantomData<&'w ()>,
}

impl<'w> From<ShownPage<'w>> for Stretch<'w> {
    fn from(page: ShownPage<'w>) -> Self {
        Self { at: page.at, window: PhantomData }
    }
}

impl<'w> Stretch<'w> {
    /// Starts at the word with index `index` of a page, and reaches into the page after it; `None` if `next` is mapped
    /// elsewhere.
    pub(crate) fn across(page: ShownPage<'w>, index: usize, next: ShownPage<'w>) -> Option<Self> {
        let follows = index < 512 && next.at == page.at + PAGE_SIZE;
        follows.then(|| Self { at: page.at + index as u64 * 8, window: PhantomData })
    }

    /// Compares the words with those of a row: the bits in which any differs.
    #[expect(unsafe_code, reason = "reads through the seam")]
    fn differences<X: Hypervisor>(self, xen: &X, row: Row) -> u64 {
        // SAFETY: mapped, as in `ShownPage::words`: all in one page, or in two that follow each other (`across`).
        unsafe { xen.differences(self.at, row) }
    }

    /// Returns the first of 512 contiguous frames that are listed here, if M2P gives them, in order, to the pages from
    /// `first` on.
    #[expect(unsafe_code, reason = "reads through the seam")]
    pub(crate) fn contiguous_frames<X: Hypervisor>(self, xen: &X, first: Pfn) -> Option<Mfn> {
        // SAFETY: as in `differences`.
        let frame = Mfn::from_p2m(unsafe { xen.word(self.at) })?;
        let listed = self.differences(xen, Row::of_frames(frame)) == 0;
        (listed && xen.m2p_names_row(frame, first)).then_some(frame)
    }
}

/// Pages that follow each other in address space, mapped for as long as this exists.
#[derive(Debug)]
pub(crate) struct ShownRow {
    start: VirtAddr,
    pages: u64,
}

impl ShownRow {
    /// Records that `pages` pages are mapped from `start` on, and stay so for as long as this exists. A P2M over the
    /// builder's list has one for the high mapping, which `revector` replaces before `cleanup` can unhook anything.
    pub(crate) const fn new(start: VirtAddr, pages: u64) -> Self {
        Self { start, pages }
    }

    /// Records that more pages are mapped now, `pages` in all.
    pub(crate) fn extend(&mut self, pages: u64) {
        self.pages = self.pages.max(pages);
    }

    /// Returns the number of pages.
    pub(crate) const fn pages(&self) -> u64 {
        self.pages
    }

    /// Returns the address of page `number`, mapped or not.
    pub(crate) const fn address(&self, number: u64) -> VirtAddr {
        VirtAddr::new_truncate(self.start.as_u64() + number * PAGE_SIZE)
    }

    /// Returns page `number`; `None` if there are not so many.
    pub(crate) fn page(&self, number: u64) -> Option<ShownPage<'_>> {
        (number < self.pages).then(|| ShownPage::new(self.address(number)))
    }
}
