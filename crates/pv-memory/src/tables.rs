//! The page tables the guest lives in: found by walking from the L4 table, grown by adding tables.
//!
//! Entries hold machine frames; Xen's M2P leads back to the page that holds a table.
//!
//! Neighbours: `walk` finds the L4 table and counts what is there; `growth` adds tables, `cleanup` and `vmalloc` cut.

use alloc::vec::Vec;

use crate::commit::{Slot, Undone};
use crate::error::MmError;
use crate::frames::{Frames, Run, give_back};
use crate::ranges::Ranges;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use xen::pte::{Level, Pte};

/// A page table: its page of the domain, and its machine frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The page.
    pub pfn: Pfn,
    /// Its machine frame.
    pub mfn: Mfn,
    /// Its level.
    pub level: Level,
}

impl Table {
    /// Names the entry that covers `at`.
    #[must_use]
    pub const fn slot(self, at: VirtAddr) -> Slot {
        Slot { table: self.mfn, level: self.level, index: self.level.index(at) }
    }
}

/// All page tables, and the window through which they are read.
#[derive(Debug)]
pub struct Tables {
    root: Table,
    window: Window,
    owned: Vec<Run>,
    l1_built: u64,
    l1_shared: u64,
    /// Pages that Xen holds in an unknown state.
    lost: Vec<Run>,
    /// Pages that the direct map must show read-only (`seal`).
    pub(crate) sealed: Ranges,
}

impl Tables {
    /// Takes over the tables below `root`, readable through `window`.
    pub(crate) const fn new(root: Table, window: Window) -> Self {
        Self {
            root,
            window,
            owned: Vec::new(),
            l1_built: 0,
            l1_shared: 0,
            lost: Vec::new(),
            sealed: Ranges::new(),
        }
    }

    /// Returns the window through which pages are read and written.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) const fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    pub(crate) fn set_window(&mut self, window: Window) {
        self.window = window;
    }

    /// Returns the number of tables added to the builder's.
    #[must_use]
    pub fn added(&self) -> usize {
        // A domain has fewer pages than any usize holds.
        self.owned.iter().map(|run| run.pages().pages() as usize).sum()
    }

    /// Returns the number of pages that are never used again, because a refused hypercall left them mapped.
    #[must_use]
    pub fn lost_pages(&self) -> u64 {
        self.lost.iter().map(|run| run.pages().pages()).sum()
    }

    /// Gives back pages that were to be mapped, or withholds them for good if `error` left some of them mapped: the
    /// next owner of a page that is still mapped could not make a page table of it.
    pub(crate) fn release(
        &mut self,
        runs: impl IntoIterator<Item = Run>,
        error: MmError,
        frames: &mut Frames,
    ) -> Result<(), MmError> {
        match error {
            MmError::Mmu(refused) if refused.undone() != Undone::All => self.lost.extend(runs),
            _ => give_back(runs, frames)?,
        }
        Ok(())
    }

    /// Keeps the pages of tables for good. Adjacent runs are joined; otherwise a kernel that maps all its RAM would
    /// hold a run for each 2 MiB.
    pub(crate) fn own(&mut self, runs: impl IntoIterator<Item = Run>, l1_tables: u64) {
        self.l1_built += l1_tables;
        for run in runs {
            match self.owned.last_mut() {
                Some(last) if last.pages().end == run.first() => last.join(run),
                _ => self.owned.push(run),
            }
        }
    }

    /// Lets go of a table's page, which is hooked nowhere any more; `None` if it is one of the builder's.
    pub(crate) fn disown(&mut self, table: Table) -> Option<Run> {
        let at = self.owned.iter().position(|run| run.pages().contains(table.pfn))?;
        self.l1_built -= u64::from(table.level == Level::L1);
        let mut page = self.owned.swap_remove(at);
        let before = page.split_front(table.pfn.above(page.first()));
        let mut after = page;
        let page = after.split_front(1);
        self.owned.extend([before, after].into_iter().filter(|run| !run.pages().is_empty()));
        Some(page)
    }

    /// Returns the number of L1 tables among those added.
    #[must_use]
    pub const fn l1_built(&self) -> u64 {
        self.l1_built
    }

    /// Returns the number of the builder's L1 tables that were hooked a second time.
    #[must_use]
    pub const fn l1_shared(&self) -> u64 {
        self.l1_shared
    }

    pub(crate) const fn note_shared(&mut self, l1_tables: u64) {
        self.l1_shared += l1_tables;
    }

    /// Returns the L4 table.
    #[must_use]
    pub const fn root(&self) -> Table {
        self.root
    }

    /// Reads the entry of `table` that covers `at`.
    pub fn entry<X: Hypervisor>(&self, xen: &X, table: Table, at: VirtAddr) -> Pte {
        Pte::from_word(self.window.word(xen, table.pfn, table.level.index(at)))
    }

    /// Finds the table of `level` that covers `at`; `None` if an entry above is absent.
    ///
    /// # Errors
    /// [`MmError::StrangeTable`] if an entry leads to a large page or to a frame that is not the domain's.
    pub fn find<X: Hypervisor>(&self, xen: &X, at: VirtAddr, level: Level) -> Result<Option<Table>, MmError> {
        let mut table = self.root;
        while table.level > level {
            let entry = self.entry(xen, table, at);
            if !entry.is_present() {
                return Ok(None);
            }
            table = below(xen, table, at, entry)?;
        }
        Ok(Some(table))
    }

    /// Finds the L1 entry that maps `at`, and where it is.
    ///
    /// # Errors
    /// As for [`Tables::find`].
    pub fn leaf<X: Hypervisor>(&self, xen: &X, at: VirtAddr) -> Result<Option<(Slot, Pte)>, MmError> {
        let table = self.find(xen, at, Level::L1)?;
        Ok(table.map(|table| (table.slot(at), self.entry(xen, table, at))))
    }

    /// Returns the entries of `table` that cover a part of `range`, lowest first, each with the first address that it
    /// covers; the range starts within the table's span.
    pub(crate) fn entries<X: Hypervisor>(
        &self,
        xen: &X,
        table: Table,
        range: VirtRange,
    ) -> impl Iterator<Item = (VirtAddr, Pte)> {
        let (page, span) = (self.window.shown_page(table.pfn), table.level.span());
        let (first, last) = (range.start.as_u64() / span, (range.end_raw() - 1) / span);
        let base = first - first % ENTRIES;
        (first..=last.min(base + ENTRIES - 1)).map(move |number| {
            // Below 512: fits any usize.
            let word = page.word(xen, (number - base) as usize);
            (VirtAddr::new_truncate(number * span), Pte::from_word(word))
        })
    }

    /// Finds the first L2 entry in `range` that has a bit set, or L3 entry where there is no L2 table.
    ///
    /// # Errors
    /// As for [`Tables::find`].
    pub fn first_entry<X: Hypervisor>(
        &self,
        xen: &X,
        range: VirtRange,
    ) -> Result<Option<(VirtAddr, Level, Pte)>, MmError> {
        for part in by_table(range, Level::L2) {
            let l2 = self.find(xen, part.start, Level::L2)?;
            let Some(table) = l2.map_or_else(|| self.find(xen, part.start, Level::L3), |l2| Ok(Some(l2)))?
            else {
                continue;
            };
            if let Some((at, entry)) = self.entries(xen, table, part).find(|(_, entry)| !entry.is_zero()) {
                return Ok(Some((at, table.level, entry)));
            }
        }
        Ok(None)
    }

    /// Returns the L1 entry of a page that the window shows.
    ///
    /// # Errors
    /// [`MmError::NotMapped`] if there is none: the window would be wrong.
    pub fn shown<X: Hypervisor>(&self, xen: &X, pfn: Pfn) -> Result<(Slot, Pte), MmError> {
        let at = self.window.address(pfn);
        self.leaf(xen, at)?.filter(|(_, entry)| entry.is_present()).ok_or(MmError::NotMapped { at })
    }
}

/// Returns the frame that the P2M has for a page if M2P agrees. Checked for each frame that is about to be mapped: Xen
/// refuses another domain's frame, but not one of this domain's that the P2M names twice, whose other page may be a
/// table or in use.
///
/// # Errors
/// [`MmError::Contradicted`].
pub(crate) fn confirm<X: Hypervisor>(xen: &X, pfn: Pfn, mfn: Mfn) -> Result<Mfn, MmError> {
    let agrees = xen.m2p(mfn).is_some_and(|claim| claim.names(pfn));
    if agrees { Ok(mfn) } else { Err(MmError::Contradicted { pfn, mfn }) }
}

/// Follows an upper-level entry to the table that it points to.
///
/// # Errors
/// [`MmError::StrangeTable`] if the entry leads to a large page or to a frame that is not the domain's.
pub(crate) fn below<X: Hypervisor>(
    xen: &X,
    table: Table,
    at: VirtAddr,
    entry: Pte,
) -> Result<Table, MmError> {
    let strange = MmError::StrangeTable { at, level: table.level, entry: entry.word() };
    let level = table.level.below().ok_or(strange)?;
    if entry.is_large() {
        return Err(strange);
    }
    // The walk confirmed the builder's tables, `Growth::make` those made since then.
    let pfn = xen.m2p(entry.mfn()).ok_or(strange)?.confirmed_before();
    Ok(Table { pfn, mfn: entry.mfn(), level })
}

/// Returns the first address of each L4 slot that a part of the range lies in.
pub(crate) fn l4_slots(range: VirtRange) -> impl Iterator<Item = VirtAddr> {
    let span = Level::L4.span();
    let (first, last) = (range.start.as_u64() / span, (range.end_raw() - 1) / span);
    (first..=last).map(move |slot| VirtAddr::new_truncate(slot * span))
}

/// Cuts a range where one table of a level ends and the next begins.
pub(crate) fn by_table(range: VirtRange, level: Level) -> impl Iterator<Item = VirtRange> {
    let span = level.span() * ENTRIES;
    let (start, last) = (range.start.as_u64(), range.end_raw() - 1);
    (start / span..=last / span).map(move |table| {
        let first = (table * span).max(start);
        let end = (table * span).saturating_add(span - 1).min(last);
        VirtRange::new(VirtAddr::new_truncate(first), end - first + 1)
    })
}

/// Returns the addresses of the pages in `range`, lowest first.
pub fn pages_of(range: VirtRange) -> impl Iterator<Item = VirtAddr> {
    (0..range.pages())
        .map(move |page| VirtAddr::new_truncate(range.start.as_u64().wrapping_add(page * PAGE_SIZE)))
}
