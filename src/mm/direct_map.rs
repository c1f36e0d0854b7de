//! Stage 4 of 9: the direct map, the mapping in which every page can be reached once the high mapping is gone.
//!
//! The builder has already made an L1 table for each 2 MiB of the initial mapping, and an L1 table may be hooked in
//! two places. So one L2 entry per 2 MiB shows the same pages a second time, at `DIRECT + n * 4096`: nothing is
//! filled, and clearing an L2 entry of one view leaves the other. Because the tables are shared, the direct map is
//! made non-executable at its L2 entries. RAM beyond the initial mapping is mapped when somebody needs it, by whole
//! L1 tables, never because it exists.
//!
//! Takes [`BootTables`] from `walk`; `p2m` is next. Lineage: Linux `xen_setup_kernel_pagetable`, level2_ident_pgt.

use alloc::vec::Vec;

use super::area;
use super::commit::{Flush, Slot};
use super::error::MmError;
use super::frames::Frames;
use super::growth::{Growth, Place};
use super::image;
use super::layout::Layout;
use super::pte::{Access, Level, Pte, Reach};
use super::tables::Tables;
use super::walk::BootTables;
use super::window::Window;
use crate::addr::{ENTRIES, L1_SPAN, L2_SPAN, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use crate::xen::start_info::Facts;
use crate::xen::{Hypervisor, Words};

/// Address of a page in the direct map.
#[must_use]
pub const fn address(pfn: Pfn) -> VirtAddr {
    VirtAddr::new_truncate(area::DIRECT.as_u64() + pfn.raw() * PAGE_SIZE)
}

/// Hooks the builder's L1 tables under the direct map and gives the image its own, all in one hypercall.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses an entry.
pub fn graft<X: Hypervisor>(
    boot: BootTables,
    layout: &Layout,
    facts: &Facts,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Tables, MmError> {
    let end = boot.end;
    let mut tables = boot.into_tables();
    let mut growth = Growth::new(&mut tables);
    let filled = share_l1_tables(&mut growth, end, frames, xen)
        .and_then(|()| image::unshare(&mut growth, layout, facts, frames, xen));
    growth.commit(filled, frames, xen, Flush::Implied)?;
    tables.note_shared(end.raw().div_ceil(ENTRIES));
    tables.set_window(Window::new(area::DIRECT, end));
    xen.rehome(area::DIRECT);
    prove_guarded(facts, &tables, xen)?;
    Ok(tables)
}

/// The processor is the judge: the page below the stack must fault.
fn prove_guarded<X: Hypervisor>(facts: &Facts, tables: &Tables, xen: &mut X) -> Result<(), MmError> {
    let at = facts.stack_guard;
    if xen.probe(at).is_err() {
        return Ok(());
    }
    let entry = tables.leaf(xen, at)?.map_or(0, |(_, entry)| entry.word());
    Err(MmError::Leftover { at, level: Level::L1, entry })
}

fn share_l1_tables<X: Hypervisor>(
    growth: &mut Growth<'_>,
    end: Pfn,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    let slots = end.raw().div_ceil(ENTRIES);
    for offset in (0..slots).map(|slot| slot * L1_SPAN) {
        let high = VirtAddr::new(area::HIGH.as_u64() + offset);
        let direct = VirtAddr::new(area::DIRECT.as_u64() + offset);
        let l1 = growth.tables().find(xen, high, Level::L1)?.ok_or(MmError::NotMapped { at: high })?;
        let entry = Pte::table(l1.mfn, Reach::NeverExecute);
        match growth.table(xen, frames, direct, Level::L2, Reach::Inherit)? {
            Place::Fresh(l2) => growth.store(xen, l2, Level::L2.index(direct), entry)?,
            Place::Hooked(l2) => {
                let before = growth.tables().entry(xen, l2, direct);
                growth.batch.change(l2.slot(direct), before, entry);
            }
        }
    }
    Ok(())
}

/// Maps `pages` into the direct map where they are not yet, by whole L1 tables, all in one hypercall.
///
/// `frames_of` is the P2M: the machine frames of the 512 pages from a slot on, all ones for a hole.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses an entry.
pub fn extend<X: Hypervisor>(
    tables: &mut Tables,
    pages: &[PfnRange],
    frames: &mut Frames,
    xen: &mut X,
    frames_of: impl Fn(&X, &Window, Pfn) -> Words,
) -> Result<(), MmError> {
    let hidden = hidden_slots(pages, tables.window());
    let mut growth = Growth::new(tables);
    let filled = hidden.iter().try_for_each(|&slot| fill_l1(&mut growth, slot, frames, xen, &frames_of));
    growth.commit(filled, frames, xen, Flush::Implied)?;
    for slot in hidden {
        tables.window_mut().extend(PfnRange::new(slot, ENTRIES));
    }
    Ok(())
}

/// The slots that `pages` touch and the window does not show, each once, lowest first.
fn hidden_slots(pages: &[PfnRange], window: &Window) -> Vec<Pfn> {
    let touched = pages.iter().flat_map(|range| slots(*range));
    let mut hidden: Vec<Pfn> = touched.filter(|slot| !window.shows(PfnRange::new(*slot, ENTRIES))).collect();
    hidden.sort_unstable();
    hidden.dedup();
    hidden
}

fn fill_l1<X: Hypervisor>(
    growth: &mut Growth<'_>,
    slot: Pfn,
    frames: &mut Frames,
    xen: &mut X,
    frames_of: &impl Fn(&X, &Window, Pfn) -> Words,
) -> Result<(), MmError> {
    let l1 = match growth.table(xen, frames, address(slot), Level::L1, Reach::NeverExecute)? {
        Place::Fresh(table) => table,
        Place::Hooked(table) => {
            let at = address(slot);
            return Err(MmError::Leftover { at, level: Level::L2, entry: table.mfn.raw() });
        }
    };
    let frames_here = frames_of(xen, growth.tables().window(), slot);
    let entries = frames_here.map(|word| Mfn::from_p2m(word).map_or(Pte::ABSENT, direct).word());
    growth.store_all(xen, l1, &entries)
}

const fn direct(mfn: Mfn) -> Pte {
    Pte::leaf(mfn, Access::Data)
}

/// The 2 MiB slots that a range touches, by their first pages.
fn slots(pages: PfnRange) -> impl Iterator<Item = Pfn> {
    let last = pages.end.raw().div_ceil(ENTRIES);
    (pages.start.raw() / ENTRIES..last).map(|slot| Pfn::new(slot * ENTRIES))
}

/// Returns the direct map's L1 entry for a page that it shows.
///
/// # Errors
/// [`MmError::NotMapped`] if it does not.
pub fn entry_of<X: Hypervisor>(tables: &Tables, xen: &X, pfn: Pfn) -> Result<(Slot, Pte), MmError> {
    let at = address(pfn);
    tables.leaf(xen, at)?.filter(|(_, entry)| entry.is_present()).ok_or(MmError::NotMapped { at })
}

const _: () =
    assert!(area::DIRECT.as_u64().is_multiple_of(L2_SPAN) && area::HIGH.as_u64().is_multiple_of(L2_SPAN));
