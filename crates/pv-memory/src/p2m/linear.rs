//! Leaves that follow each other in address space: a lookup is one load.
//!
//! The builder's list is such a row already, so nothing is copied and nothing done for each leaf. Its L1 tables, which
//! the direct map shares, are hooked once more, under an L4 slot that holds nothing else. The toolstack reads the list
//! there through the domain's page tables, and demands more than the processor does: entries of 4 KiB, and a list that
//! begins in the first 2 MiB of a GiB, or the tools lose up to a GiB of RAM without a word (`map_p2m_list`, the same
//! from Xen 4.14 to 4.20). Pages of the list need not begin an L1 table, so the list starts as far into the 2 MiB as in
//! the direct map. A list with a mapping of its own (`INIT_P2M`) stays there; `publish` decides whether tools can read it.
//!
//! ```text
//!   P2M (0xffffea0000000000)     the list's first 2 MiB slot, as in the direct map
//!   +-- o pages --+-----------------------------+---------------+
//!   | not the     | leaf 0, 1, 2 ...            | not the list: |
//!   | list        |                 ... F - 1   | holes, once   |
//!   |             |                             | it grows      |
//!   +-------------+-----------------------------+---------------+
//! ```
//!
//! A list that grows shows one page of missing entries, read-only, for each new leaf; an entry that gets a frame there
//! splits it. While the mapping changes the published generation is odd, so that tools start anew.
//!
//! Neighbours: `physmap` looks up, `change` splits, `grow` extends. Sources: xen/include/public/arch-x86/xen.h;
//! tools/libs/guest/xg_sr_save_x86_pv.c (facts). Lineage: Linux 054954eb (3.19).

use super::list::ListPages;
use crate::commit::Undone;
use crate::error::MmError;
use crate::frames::Frames;
use crate::growth::{Growth, Place};
use crate::resources::Resources;
use crate::tables::{Table, Tables, by_table};
use crate::window::{ShownPage, ShownRow};
use xen::addr::{ENTRIES, L1_SPAN, Mfn, PAGE_SIZE, PfnRange, VirtAddr, VirtRange};
use xen::area;
use xen::pte::{Access, Level, Pte, Reach};
use xen::{Hypervisor, ListState};

/// The most leaves that one hypercall shows: those of 32 L1 tables.
const AT_ONCE: u64 = 32 * ENTRIES;

/// A list in address space.
#[derive(Debug)]
pub(super) struct Linear {
    view: ShownRow,
}

impl Linear {
    /// Takes the builder's list where the builder mapped it.
    pub(super) fn of_builder(list: &ListPages) -> Self {
        let range = list.range();
        Self { view: ShownRow::new(range.start, range.pages()) }
    }

    /// Hooks the L1 tables of contiguous pages, which the direct map shows, once more: in one hypercall.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out or Xen refuses an entry; nothing is changed then.
    pub(super) fn hook<X: Hypervisor>(
        pages: PfnRange,
        tables: &mut Tables,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Self, MmError> {
        let first = pages.start.slot_start();
        let slots = pages.end.above(first).div_ceil(ENTRIES);
        let source = VirtRange::new(area::direct(first), slots * L1_SPAN);
        let mut growth = Growth::new(tables);
        let filled = hook_again(source, &mut growth, frames, xen);
        growth.commit(filled, frames, xen)?;
        tables.note_shared(slots);
        Ok(Self {
            view: ShownRow::new(area::P2M.start + pages.start.above(first) * PAGE_SIZE, pages.pages()),
        })
    }

    /// Returns where leaf 0 is.
    pub(super) const fn at(&self) -> VirtAddr {
        self.view.address(0)
    }

    /// Returns the number of leaves.
    pub(super) const fn leaves(&self) -> u64 {
        self.view.pages()
    }

    /// Returns where a leaf is.
    pub(super) const fn address(&self, number: u64) -> VirtAddr {
        self.view.address(number)
    }

    /// Returns leaf `number`; `None` if there are not so many.
    pub(super) fn leaf(&self, number: u64) -> Option<ShownPage<'_>> {
        self.view.page(number)
    }

    /// Shows the page of missing entries, whose frame is `missing`, for leaves up to `leaves`; a limited number in each
    /// hypercall, because changes are collected in the heap.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out or Xen refuses an entry; what was shown before that hypercall stays, unused.
    pub(super) fn extend<X: Hypervisor>(
        &mut self,
        leaves: u64,
        missing: Mfn,
        list: &ListPages,
        resources: &mut Resources<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let hole = Pte::leaf(missing, Access::ReadOnly);
        while self.leaves() < leaves {
            let now = leaves.min(self.leaves() + AT_ONCE);
            change(resources, xen, |growth, frames, xen| {
                let own = self.own_last_table(now, hole, list, growth, frames, xen)?;
                (own..now).try_for_each(|number| enter(self.address(number), hole, growth, frames, xen))
            })?;
            self.view.extend(now);
        }
        Ok(())
    }

    /// Shows the page with frame `frame` for a leaf that the list did not have from the start.
    ///
    /// # Errors
    /// As for [`Linear::extend`].
    pub(super) fn show<X: Hypervisor>(
        &self,
        number: u64,
        frame: Mfn,
        resources: &mut Resources<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        change(resources, xen, |growth, frames, xen| {
            enter(self.address(number), Pte::leaf(frame, Access::Data), growth, frames, xen)
        })
    }

    /// The list's last L1 table is the direct map's, in which other pages follow the list's: before the list grows
    /// there, it gets a table of its own. Returns the number of the first leaf that this table has no room for.
    fn own_last_table<X: Hypervisor>(
        &self,
        leaves: u64,
        hole: Pte,
        list: &ListPages,
        growth: &mut Growth<'_>,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<u64, MmError> {
        let (first, at) = (self.leaves(), self.address(self.leaves()));
        let used = Level::L1.index(at);
        let Some(old) = growth.tables().find(xen, at, Level::L1)?.filter(|_| used > 0) else {
            return Ok(first);
        };
        if !is_direct_maps(old, list, growth.tables(), xen)? {
            return Ok(first);
        }
        let end = (first + ENTRIES - used as u64).min(leaves);
        let mut words = growth.tables().window().page(xen, old.pfn);
        // Neither what follows the list in memory, nor what comes before it.
        words[used..].fill(Pte::ABSENT.word());
        if self.at().as_u64() / L1_SPAN == at.as_u64() / L1_SPAN {
            words[..Level::L1.index(self.at())].fill(Pte::ABSENT.word());
        }
        // At most 512: fits any usize.
        words[used..used + (end - first) as usize].fill(hole.word());
        let l2 = growth.tables().find(xen, at, Level::L2)?.ok_or(MmError::NotMapped { at })?;
        let before = growth.tables().entry(xen, l2, at);
        let own = growth.make(xen, frames, at, Level::L1)?;
        growth.store_all(xen, own, &words)?;
        growth.batch.change(l2.slot(at), before, Pte::table(own.mfn, Reach::NeverExecute));
        Ok(end)
    }
}

/// Changes the list's mapping in one hypercall, all of it or nothing; the published generation is odd meanwhile.
fn change<X: Hypervisor>(
    resources: &mut Resources<'_>,
    xen: &mut X,
    fill: impl FnOnce(&mut Growth<'_>, &mut Frames, &mut X) -> Result<(), MmError>,
) -> Result<(), MmError> {
    let mut growth = Growth::new(resources.tables);
    let filled = fill(&mut growth, resources.frames, xen);
    if filled.is_err() {
        return growth.commit(filled, resources.frames, xen);
    }
    xen.set_list_state(ListState::Changing);
    let done = growth.commit(filled, resources.frames, xen);
    // A mapping that is half changed is never declared stable: tools refuse it.
    if !matches!(done, Err(MmError::Mmu(refused)) if refused.undone() != Undone::All) {
        xen.set_list_state(ListState::Stable);
    }
    done
}

/// Enters L2 entries of the direct map, from the one for `source` on, at the start of the list's own slot.
fn hook_again<X: Hypervisor>(
    source: VirtRange,
    growth: &mut Growth<'_>,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    let mut to = area::P2M.start;
    for part in by_table(source, Level::L2) {
        let at = part.start;
        let from = growth.tables().find(xen, at, Level::L2)?.ok_or(MmError::NotMapped { at })?;
        let words = growth.tables().window().page(xen, from.pfn);
        // Below 512: fits any usize.
        let (first, slots) = (Level::L2.index(at), (part.bytes / L1_SPAN) as usize);
        let mut words = &words[first..first + slots];
        while !words.is_empty() {
            let l2 = match growth.table(xen, frames, to, Level::L2, Reach::Inherit)? {
                Place::Fresh(l2) => growth.words(xen, l2)?,
                Place::Hooked(l2) => {
                    let entry = growth.tables().entry(xen, l2, to).word();
                    return Err(MmError::Leftover { at: to, level: Level::L2, entry });
                }
            };
            let room = &mut l2[Level::L2.index(to)..];
            let (now, later) = words.split_at(words.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            (words, to) = (later, to + now.len() as u64 * L1_SPAN);
        }
    }
    Ok(())
}

/// Tells whether an L1 table is the one by which the direct map shows the list's last page.
fn is_direct_maps<X: Hypervisor>(
    table: Table,
    list: &ListPages,
    tables: &Tables,
    xen: &X,
) -> Result<bool, MmError> {
    let Some(last) = list.runs().last().map(|run| run.pages().end.raw() - 1).map(xen::addr::Pfn::new) else {
        return Ok(false);
    };
    Ok(tables.find(xen, area::direct(last), Level::L1)? == Some(table))
}

/// Enters a leaf in the list's L1 table, which is made if need be.
fn enter<X: Hypervisor>(
    at: VirtAddr,
    entry: Pte,
    growth: &mut Growth<'_>,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    match growth.l1(xen, frames, at, Reach::NeverExecute)? {
        Place::Fresh(l1) => growth.store(xen, l1, Level::L1.index(at), entry),
        Place::Hooked(l1) => {
            let before = growth.tables().entry(xen, l1, at);
            growth.batch.change(l1.slot(at), before, entry);
            Ok(())
        }
    }
}
