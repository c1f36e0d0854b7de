//! The only way from a page number to its content: a linear mapping that is known to be there.
//!
//! Two mappings of RAM exist in a boot: the builder's high mapping, which shows the first pages, and the direct
//! map, which takes its place. Both put page n at `base + n * 4096`; both are a [`Window`], which knows which pages
//! it shows: exactly those that are mapped. This is the only record of what is mapped; the allocator uses it too.
//! Reading a page needs a window that shows it; writing needs the page's [`Run`] as well. This file, `shown`, `commit`,
//! `vmalloc::span` and `module::call` are where the boot calls unsafe methods of the seam.
//!
//! Neighbours: `walk` makes the first window, `direct_map` the second; everybody reads through one.

mod shown;

use core::ops::Range;

use crate::frames::Run;
use crate::layout::StoreRing;
use crate::ranges::Ranges;
pub use shown::ShownPage;
pub(crate) use shown::{ShownRow, Stretch};
use xen::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use xen::area;
use xen::events::Port;
use xen::{Gauge, Hypervisor, Loop, Resident, Words};

/// Linear mapping `pfn -> base + pfn * 4096`, for the pages it shows.
#[derive(Clone, Debug)]
pub struct Window {
    base: VirtAddr,
    shown: Ranges,
}

impl Window {
    /// Makes a window that shows the pages below `end`.
    ///
    /// The caller has made sure that the page tables map each of them there: `walk` for the builder's mapping,
    /// `direct_map` for its own.
    pub(crate) fn new(base: VirtAddr, end: Pfn) -> Self {
        let mut window = Self { base, shown: Ranges::new() };
        window.extend(PfnRange::between(Pfn::ZERO, end));
        window
    }

    /// Records that more pages are mapped now, all by a batch that Xen has accepted.
    pub(crate) fn extend(&mut self, pages: PfnRange) {
        self.shown.insert(pages);
    }

    /// Records that pages are not mapped any more, all by a batch that Xen has accepted.
    pub(crate) fn shrink(&mut self, pages: PfnRange) {
        self.shown.remove(pages);
    }

    /// Opens the xenstore ring in the builder's page for it.
    ///
    /// # Panics
    /// If the window does not show it.
    #[expect(unsafe_code, reason = "tells the runtime where a ring is")]
    pub fn open_store<X: Resident>(&self, xen: &mut X, ring: StoreRing, port: Port) {
        let at = self.checked(PfnRange::new(ring.page(), 1));
        // SAFETY: mapped writable, because rings are data (`walk` checked it), and for good: only free pages ever leave
        // the direct map, and the layout's rows never become free.
        unsafe { xen.open_store(at, port) }
    }

    /// Makes the runtime reach its rings and page tables through this window from now on.
    #[expect(unsafe_code, reason = "moves what the runtime writes to")]
    pub(crate) fn use_for_platform<X: Hypervisor>(&self, xen: &mut X) {
        // SAFETY: `direct_map` calls this when Xen has hooked every L1 table of the high mapping under this base, and
        // no stage unmaps the pages of the domain's rings.
        unsafe { xen.use_direct_map(self.base) };
    }

    /// Returns the page after the last one shown.
    #[must_use]
    pub fn end(&self) -> Pfn {
        self.shown.end()
    }

    /// Tells whether all the pages are shown.
    #[must_use]
    pub fn shows(&self, pages: PfnRange) -> bool {
        self.shown.contains(pages)
    }

    /// Returns the parts of `pages` that are shown, lowest first.
    pub(crate) fn shown(&self, pages: PfnRange) -> impl Iterator<Item = PfnRange> {
        self.shown.within(pages)
    }

    /// Returns the parts of `pages` that are not shown, lowest first.
    pub(crate) fn hidden(&self, pages: PfnRange) -> impl Iterator<Item = PfnRange> {
        self.shown.without(pages)
    }

    /// Returns the page's address in this mapping, shown or not.
    #[must_use]
    pub const fn address(&self, pfn: Pfn) -> VirtAddr {
        area::linear(self.base, pfn)
    }

    /// Returns the page at an address of this mapping.
    #[must_use]
    pub const fn pfn(&self, at: VirtAddr) -> Pfn {
        Pfn::new(at.as_u64().wrapping_sub(self.base.as_u64()) / PAGE_SIZE)
    }

    /// Returns the page, which can then be read any number of times without being looked for again.
    ///
    /// # Panics
    /// If the window does not show it: that is the caller's mistake, not the domain's.
    #[must_use]
    pub fn shown_page(&self, pfn: Pfn) -> ShownPage<'_> {
        ShownPage::new(self.checked(PfnRange::new(pfn, 1)))
    }

    fn checked(&self, pages: PfnRange) -> VirtAddr {
        assert!(
            self.shows(pages),
            "{pages} not mapped at {:#x}: a stage used a page before mapping it",
            self.base
        );
        self.address(pages.start)
    }

    /// Copies a page out: [`ShownPage::words`].
    ///
    /// # Panics
    /// As for [`Window::shown_page`].
    #[inline]
    pub fn page<X: Hypervisor>(&self, xen: &X, pfn: Pfn) -> Words {
        self.shown_page(pfn).words(xen)
    }

    /// Reads one word of a page, the one with index `index`.
    ///
    /// # Panics
    /// As for [`Window::shown_page`], and if a page has no such word.
    pub fn word<X: Hypervisor>(&self, xen: &X, pfn: Pfn, index: usize) -> u64 {
        self.shown_page(pfn).word(xen, index)
    }

    /// Reads the first word of each page.
    ///
    /// # Panics
    /// If the window does not show them all.
    #[expect(unsafe_code, reason = "reads through the seam")]
    pub(crate) fn first_words<X: Hypervisor>(&self, xen: &X, pages: PfnRange) -> impl Iterator<Item = u64> {
        let at = self.checked(pages).as_u64();
        // SAFETY: mapped, as in `ShownPage::words`.
        (0..pages.pages()).map(move |page| unsafe { xen.word(VirtAddr::new_truncate(at + page * PAGE_SIZE)) })
    }

    /// Borrows the page with index `index` of a run for writing.
    ///
    /// # Panics
    /// If the run has no such page or the window does not show it.
    #[expect(unsafe_code, reason = "writes through the seam")]
    pub fn page_mut<'x, X: Hypervisor>(&self, xen: &'x mut X, run: &Run, index: u64) -> &'x mut Words {
        assert!(index < run.pages().pages(), "page {index} of {}", run.pages());
        let at = self.checked(PfnRange::new(run.first().plus(index), 1));
        // SAFETY: mapped writable, because free and adopted pages are data (`walk` checked it); owned by the caller,
        // who holds the run.
        unsafe { xen.page_mut(at) }
    }

    /// Stores one word of a page of a run, by one access: the toolstack may be reading it.
    ///
    /// # Panics
    /// If the run has no such page, a page no such word, or the window does not show it.
    #[expect(unsafe_code, reason = "writes through the seam")]
    pub(crate) fn set_word<X: Hypervisor>(&self, xen: &mut X, run: &Run, index: u64, at: usize, word: u64) {
        assert!(index < run.pages().pages() && at < 512, "word {at} of page {index} of {}", run.pages());
        let page = self.checked(PfnRange::new(run.first().plus(index), 1));
        // SAFETY: as in `page_mut`; within the page, by the assertion.
        unsafe { xen.set_word(page + at as u64 * 8, word) }
    }

    /// Borrows the first `len` bytes of a run that is only read, for as long as the run is borrowed.
    ///
    /// # Panics
    /// If the run is shorter or the window does not show it.
    #[expect(unsafe_code, reason = "reads through the seam")]
    pub fn bytes<'r, X: Hypervisor>(&self, xen: &X, run: &'r Run, len: usize) -> &'r [u8] {
        assert!(len as u64 <= run.pages().pages() * PAGE_SIZE, "{len} bytes of {}", run.pages());
        let at = self.checked(run.pages());
        // SAFETY: mapped, and stays so: only free pages ever leave the direct map. Not written while the run is borrowed: the
        // only such run of a boot is the ramdisk's, which `module::source` never passes to a writer; another kernel
        // must ensure this itself, the types do not.
        unsafe { xen.bytes(at, len) }
    }

    /// Copies pages that `source` shows into the run, starting at its page `index`.
    ///
    /// # Panics
    /// If the run is too small, `source` does not show the pages, or this window does not show the run.
    #[expect(unsafe_code, reason = "copies through the seam")]
    pub fn copy<X: Hypervisor>(&self, xen: &mut X, source: &Self, from: PfnRange, to: &Run, index: u64) {
        let target = PfnRange::new(to.first().plus(index), from.pages());
        assert!(
            target.end <= to.pages().end && !from.overlaps(target),
            "{from} into {target} of {}",
            to.pages()
        );
        let source = source.checked(from);
        let target = self.checked(target);
        // SAFETY: both mapped (checked above) and disjoint; the target is owned by the caller, who holds the run.
        unsafe { xen.copy_pages(source, target, from.pages()) }
    }

    /// Copies words of a page into page `index` of a run, from its word `at` on.
    ///
    /// # Panics
    /// If a page or the run does not hold so much, or this window does not show the target.
    #[expect(unsafe_code, reason = "copies through the seam")]
    pub(crate) fn copy_words<X: Hypervisor>(
        &self,
        xen: &mut X,
        source: ShownPage<'_>,
        words: Range<usize>,
        to: &Run,
        index: u64,
        at: usize,
    ) {
        assert!(
            index < to.pages().pages() && words.end <= 512 && at + words.len() <= 512,
            "{words:?} at {at}"
        );
        let target = self.checked(PfnRange::new(to.first().plus(index), 1)) + at as u64 * 8;
        let from = source.start() + words.start as u64 * 8;
        // SAFETY: both mapped, the source because a `ShownPage` is, the target checked above; the target is owned by the
        // caller, who holds the run, and the source is not it: what is shown is a leaf of the list.
        unsafe { xen.copy_words(from, target, words.len()) }
    }

    /// Copies a whole run into another, by a loop of the caller's choice, to measure it.
    ///
    /// # Panics
    /// As for [`Window::copy`].
    #[expect(unsafe_code, reason = "copies through the seam")]
    pub fn copy_by<X: Gauge>(&self, xen: &mut X, by: Loop, from: PfnRange, to: &Run) {
        assert!(
            from.pages() <= to.pages().pages() && !from.overlaps(to.pages()),
            "{from} into {}",
            to.pages()
        );
        let source = self.checked(from);
        let target = self.checked(to.pages());
        // SAFETY: as in `copy`.
        unsafe { xen.copy_pages_by(by, source, target, from.pages()) }
    }

    /// Fills the first `pages` pages of a run, by a loop of the caller's choice, to measure it.
    ///
    /// # Panics
    /// As for [`Window::fill`].
    #[expect(unsafe_code, reason = "fills through the seam")]
    pub fn fill_by<X: Gauge>(&self, xen: &mut X, by: Loop, run: &Run, pages: u64, word: u64) {
        assert!(pages <= run.pages().pages(), "{pages} pages of {}", run.pages());
        let at = self.checked(run.pages());
        // SAFETY: as in `fill`.
        unsafe { xen.fill_pages_by(by, at, pages, word) }
    }

    /// Lets the heap use a run, which the caller keeps and does not touch until
    /// [`Pages::take_back`](xen::Pages::take_back) returns `true`.
    ///
    /// # Panics
    /// If the window does not show it.
    #[expect(unsafe_code, reason = "lends through the seam")]
    pub fn lend<X: Hypervisor>(&self, xen: &mut X, run: &Run) {
        let at = self.checked(run.pages());
        // SAFETY: mapped writable (as in `page_mut`), for good; owned by the caller, who holds the run.
        unsafe { xen.lend(at, run.pages().pages()) }
    }

    /// Fills those pages of a run that are in `part` with one word.
    ///
    /// # Panics
    /// If the window does not show the run.
    #[expect(unsafe_code, reason = "fills through the seam")]
    pub fn fill<X: Hypervisor>(&self, xen: &mut X, run: &Run, part: PfnRange, word: u64) {
        let own = run.pages();
        let part = PfnRange::between(part.start.max(own.start), part.end.min(own.end));
        if part.is_empty() {
            return;
        }
        let at = self.checked(part);
        // SAFETY: mapped writable (as in `page_mut`); owned by the caller, who holds the run.
        unsafe { xen.fill_pages(at, part.pages(), word) }
    }
}
