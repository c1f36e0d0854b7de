//! Stage 3 of 9: walks the page tables that the builder made, and finds a reason for every mapping in them.
//!
//! start_info says where the tables are and how many; the processor uses what is in them. The walk starts at the
//! L4 table, counts tables per level, and checks that page n of the domain is mapped at `HIGH + n * 4096` and
//! nowhere else, without a hole, and that exactly the page tables are read-only. Only then may later stages reach a
//! page by arithmetic: the walk's product is the first [`Window`].
//!
//! An entry does not say which page it maps: it holds a machine frame. The P2M must have that frame for page n, and
//! M2P must have page n for that frame. Neither is needed to prove that the frame is the domain's own: Xen has mapped
//! it, and maps nothing else for an unprivileged domain. One page is an exception, and checked as one: in place of a
//! page of the image, shared_info is mapped, a frame of Xen's that start_info names.
//!
//! A list with a mapping of its own (`INIT_P2M`) is left out: its page tables are not mapped, so they cannot be read
//! yet. `builder_list` walks them once there is a direct map.
//!
//! Takes rows from `layout`; next is `direct_map`. Sources: xen/include/public/xen.h, "Start-of-day memory layout".

pub use super::counts::Counts;
pub use super::walk_error::WalkError;

use crate::dump::{Line, Merger, Rights};
use crate::error::MmError;
use crate::layout::{Layout, Name, Shown};
use crate::listed::Listed;
use crate::tables::{Table, Tables};
use crate::window::{ShownPage, Window};
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use xen::area;
use xen::pte::{Level, Pte};
use xen::start_info::Facts;
use xen::{Hypervisor, Row};

/// Returns the index of an address's L4 entry.
const fn l4_slot(at: u64) -> u64 {
    at / Level::L4.span() % ENTRIES
}

/// Tells whether an L4 slot holds a part of the range.
const fn is_slot_of(index: u64, range: VirtRange) -> bool {
    index >= l4_slot(range.start.as_u64()) && index <= l4_slot(range.end_raw() - 1)
}

/// The builder's tables, walked and found correct.
#[derive(Debug)]
pub struct BootTables {
    /// Tables per level.
    pub counts: Counts,
    /// First page after the initial mapping.
    pub end: Pfn,
    tables: Tables,
}

impl BootTables {
    /// Walks the tables; every run of pages with equal rights goes to `emit`.
    ///
    /// # Errors
    /// [`WalkError`], the first thing wrong.
    #[inline(never)]
    pub fn walk<X: Hypervisor>(
        layout: &Layout,
        facts: &Facts,
        xen: &mut X,
        emit: impl FnMut(Line),
    ) -> Result<Self, WalkError> {
        let row = layout.pages(Name::PageTables);
        let window = readable_tables(row, xen)?;
        let root = root_table(layout, row, &window, xen)?;
        let xen = &*xen;
        let mut walk = Walk {
            xen,
            row,
            window: &window,
            layout,
            listed: Listed::new(layout.list(), xen),
            separate_list: layout.list_has_own_mapping().then_some(layout.mfn_list),
            shared_info: (facts.shared_info, layout.shared_info),
            counts: Counts::default(),
            next: Pfn::ZERO,
            merger: Merger::new(emit),
        };
        walk.table(root, 0, Rights::ALL)?;
        walk.unmapped()?;
        let (counts, end) = walk.finish(layout)?;
        let window = Window::new(area::HIGH, end);
        Ok(Self { counts, end, tables: Tables::new(root, window) })
    }

    /// Hands the tables on.
    #[must_use]
    pub(crate) fn into_tables(self) -> Tables {
        self.tables
    }
}

/// Makes a window over the page-table row alone, after a probing read of each page.
fn readable_tables<X: Hypervisor>(row: PfnRange, xen: &mut X) -> Result<Window, WalkError> {
    let mut window = Window::new(area::HIGH, Pfn::ZERO);
    for pfn in row.iter() {
        let at = window.address(pfn);
        xen.probe(at).map_err(|_| WalkError::Unreadable(MmError::NotMapped { at }))?;
    }
    window.extend(row);
    Ok(window)
}

/// Finds the L4 table: the page at pt_base. Its machine frame is in the P2M list, and M2P must agree.
fn root_table<X: Hypervisor>(
    layout: &Layout,
    row: PfnRange,
    window: &Window,
    xen: &mut X,
) -> Result<Table, WalkError> {
    let pfn = row.start;
    let list = layout.list();
    let unreadable = WalkError::Unreadable(MmError::NotMapped { at: list.address(pfn) });
    let mfn = list.frame(xen, pfn).ok_or(unreadable)?;
    if !xen.m2p(mfn).is_some_and(|claim| claim.names(pfn)) {
        let found = list.page_of(xen, mfn);
        let of = Some(Name::PageTables);
        return Err(WalkError::WrongPage { at: window.address(pfn), expected: pfn, found, of });
    }
    Ok(Table { pfn, mfn, level: Level::L4 })
}

struct Walk<'w, X, F: FnMut(Line)> {
    xen: &'w X,
    row: PfnRange,
    window: &'w Window,
    layout: &'w Layout,
    listed: Listed<'w, X>,
    /// The list's addresses, if they are not in the high mapping.
    separate_list: Option<VirtRange>,
    /// Where shared_info is mapped, and its frame.
    shared_info: (VirtAddr, Mfn),
    counts: Counts,
    /// Page expected at the next address.
    next: Pfn,
    merger: Merger<F>,
}

impl<X: Hypervisor, F: FnMut(Line)> Walk<'_, X, F> {
    fn table(&mut self, table: Table, base: u64, above: Rights) -> Result<(), WalkError> {
        self.counts.add(table.level);
        let page = self.window.shown_page(table.pfn);
        let Some(level) = table.level.below() else { return self.pages(page, base, above) };
        for (index, word) in (0..ENTRIES).zip(page.iter(self.xen)) {
            let entry = Pte::from_word(word);
            let at = VirtAddr::new_truncate(base + index * table.level.span());
            if entry.is_present() && !(table.level == Level::L4 && self.is_skipped(index)) {
                let below = self.below(at, entry, level)?;
                self.table(below, at.as_u64(), above.and(entry))?;
            }
        }
        Ok(())
    }

    /// Xen's slots are not the domain's to read; those of a list with a mapping of its own are walked later.
    fn is_skipped(&self, l4_index: u64) -> bool {
        is_slot_of(l4_index, area::XEN) || self.separate_list.is_some_and(|list| is_slot_of(l4_index, list))
    }

    fn below(&mut self, at: VirtAddr, entry: Pte, level: Level) -> Result<Table, WalkError> {
        let strange =
            WalkError::Unreadable(MmError::StrangeTable { at, level: level.above(), entry: entry.word() });
        let pfn = self.listed.page_of(entry.mfn()).filter(|_| !entry.is_large()).ok_or(strange)?;
        if self.row.contains(pfn) {
            Ok(Table { pfn, mfn: entry.mfn(), level })
        } else {
            Err(WalkError::TableOutside { pfn, row: self.row })
        }
    }

    /// Checks the entries of an L1 table, all at once where possible.
    fn pages(&mut self, table: ShownPage<'_>, base: u64, above: Rights) -> Result<(), WalkError> {
        if self.whole_table(table, base, above)? {
            return Ok(());
        }
        for (index, word) in (0..ENTRIES).zip(table.iter(self.xen)) {
            let entry = Pte::from_word(word);
            let at = VirtAddr::new_truncate(base + index * Level::L1.span());
            if entry.is_present() {
                self.in_place(at)?;
                self.frame(at, entry.mfn())?;
                self.page(at, entry, above.and(entry))?;
            }
        }
        Ok(())
    }

    /// Takes 512 pages at once if they are the next ones, ordinary, mapped with equal rights to contiguous frames, and
    /// both the P2M and M2P have these frames for them. Most of a large domain's mapping is its P2M, and the walk would
    /// cost it the most.
    fn whole_table(&mut self, table: ShownPage<'_>, base: u64, above: Rights) -> Result<bool, WalkError> {
        let entry = Pte::from_word(table.word(self.xen, 0));
        let pages = PfnRange::new(self.next, ENTRIES);
        let at = VirtAddr::new_truncate(base);
        let ordinary = entry.is_present() && entry.is_writable() && !self.row.overlaps(pages);
        if !ordinary || at != area::high(self.next) {
            return Ok(false);
        }
        let differences = table.differences(self.xen, Row::of_entries(entry)) & !Pte::USED;
        if differences != 0 {
            return Ok(false);
        }
        let listed = self.listed.contiguous_frames(self.next).map_err(WalkError::Unreadable)?;
        if listed != Some(entry.mfn()) {
            return Ok(false);
        }
        self.merger.add(at, ENTRIES * PAGE_SIZE, above.and(entry));
        self.next = pages.end;
        Ok(true)
    }

    /// Pages are mapped in order: the next one mapped must be the next one of the domain.
    fn in_place(&self, at: VirtAddr) -> Result<(), WalkError> {
        let expected = area::high(self.next);
        if at == expected { Ok(()) } else { Err(WalkError::Hole { at: expected }) }
    }

    /// Checks that the frame mapped at `at` is the next page's, by its entry in the P2M and by M2P.
    fn frame(&mut self, at: VirtAddr, mfn: Mfn) -> Result<(), WalkError> {
        let expected = self.next;
        let listed = self.listed.word(expected).map_err(WalkError::Unreadable)?;
        let (shared_info, shared_frame) = self.shared_info;
        if at == shared_info && mfn == shared_frame {
            return Ok(());
        }
        let claimed = self.xen.m2p(mfn).is_some_and(|claim| claim.names(expected));
        match (claimed, listed == mfn.raw()) {
            (true, true) => Ok(()),
            (true, false) => Err(WalkError::NotListed { pfn: expected, mfn, listed }),
            (false, _) => {
                let found = self.listed.page_of(mfn);
                let of = self.layout.rows().find(|row| row.pages.contains(expected)).map(|row| row.name);
                Err(WalkError::WrongPage { at, expected, found, of })
            }
        }
    }

    fn page(&mut self, at: VirtAddr, entry: Pte, rights: Rights) -> Result<(), WalkError> {
        if entry.is_writable() == self.row.contains(self.next) {
            return Err(WalkError::WrongRight { at, entry: entry.word() });
        }
        self.merger.add(at, PAGE_SIZE, rights);
        self.next = self.next.plus(1);
        Ok(())
    }

    /// Checks the frames of a ramdisk that is not mapped (`MOD_START_PFN`): it is mapped only when it is read.
    fn unmapped(&mut self) -> Result<(), WalkError> {
        for row in self.layout.rows().filter(|row| row.shown == Shown::Nowhere) {
            for pfn in row.pages.iter() {
                let listed = self.listed.word(pfn).map_err(WalkError::Unreadable)?;
                let claim = Mfn::from_p2m(listed).and_then(|mfn| self.xen.m2p(mfn));
                if !claim.is_some_and(|claim| claim.names(pfn)) {
                    return Err(WalkError::NotBacked { pfn, listed, of: row.name });
                }
            }
        }
        Ok(())
    }

    fn finish(self, layout: &Layout) -> Result<(Counts, Pfn), WalkError> {
        self.merger.finish();
        let (expected, found) = (self.row.pages(), self.counts.total());
        if expected != found {
            return Err(WalkError::Count { expected, found });
        }
        if self.next < layout.alloc_end() {
            return Err(WalkError::Short { end: self.next, expected: layout.alloc_end() });
        }
        Ok((self.counts, self.next))
    }
}
