//! Stage 4 of 9: the direct map, the mapping in which every page can be reached once the high mapping is gone.
//!
//! The builder has already made an L1 table for each 2 MiB of the initial mapping, and an L1 table may be hooked in
//! two places. So one L2 entry per 2 MiB maps the same pages a second time, at `DIRECT + n * 4096`: no L1 table has to
//! be filled, and clearing an L2 entry of one view leaves the other in place. Because the tables are shared, the direct
//! map is made non-executable at its L2 entries, and so is the high mapping except for the image: from here on no page
//! is both writable and executable. RAM beyond the initial mapping is mapped on demand, and only the pages needed.
//!
//! Takes [`BootTables`] from `walk`; `p2m` is next. Lineage: Linux `xen_setup_kernel_pagetable`, level2_ident_pgt.

use alloc::vec::Vec;

use crate::commit::Slot;
use crate::error::MmError;
use crate::frames::{Frames, Run};
use crate::growth::{Growth, Place};
use crate::image;
use crate::layout::Layout;
use crate::memory::Memory;
use crate::p2m::Leaves;
use crate::ranges::by_slot;
use crate::tables::{Tables, confirm, l4_slots};
use crate::walk::BootTables;
use crate::window::Window;
use xen::addr::{ENTRIES, L1_SPAN, L2_SPAN, Mfn, Pfn, PfnRange, VirtRange};
use xen::area;
use xen::pte::{Level, Pte, Reach};
use xen::start_info::Facts;
use xen::{Hypervisor, Row, Words};

/// Builds the direct map from the builder's L1 tables and gives the image its own tables, all in one hypercall.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses an entry.
pub fn build<X: Hypervisor>(
    boot: BootTables,
    layout: &Layout,
    facts: &Facts,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Tables, MmError> {
    let end = boot.end;
    let mut tables = boot.into_tables();
    let mut growth = Growth::new(&mut tables);
    growth.batch.reserve(most_entries(facts, end));
    let filled = share_l1_tables(&mut growth, end, facts.image, frames, xen)
        .and_then(|()| image::unshare(&mut growth, layout, facts, frames, xen));
    list_is_data(&mut growth, layout, xen);
    growth.commit(filled, frames, xen)?;
    tables.note_shared(end.raw().div_ceil(ENTRIES));
    tables.set_window(Window::new(area::DIRECT, end));
    tables.window().use_for_platform(xen);
    prove_guarded(facts, &tables, xen)?;
    Ok(tables)
}

/// An entry for each page that becomes read-only, two for each slot of the builder's mapping, and a few for tables.
const fn most_entries(facts: &Facts, end: Pfn) -> usize {
    // A domain has fewer pages than any usize holds.
    (facts.text.pages() + facts.rodata.pages() + 2 * end.raw().div_ceil(ENTRIES)) as usize + 64
}

/// Checked by the processor itself: a read of the page below the stack must fault.
fn prove_guarded<X: Hypervisor>(facts: &Facts, tables: &Tables, xen: &mut X) -> Result<(), MmError> {
    let at = facts.stack_guard;
    if xen.probe(at).is_err() {
        return Ok(());
    }
    let entry = tables.leaf(xen, at)?.map_or(0, |(_, entry)| entry.word());
    Err(MmError::Leftover { at, level: Level::L1, entry })
}

/// Hooks the builder's L1 tables under the direct map, and makes both views non-executable, except for the image's
/// slots in the high mapping, which get tables of their own. Both mappings start where an L2 table does.
fn share_l1_tables<X: Hypervisor>(
    growth: &mut Growth<'_>,
    end: Pfn,
    image: VirtRange,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    let slots = end.raw().div_ceil(ENTRIES);
    for table in (0..slots).step_by(ENTRIES as usize) {
        let pfn = Pfn::new(table * ENTRIES);
        let (start, first) = (area::high(pfn), area::direct(pfn));
        let high = growth.tables().find(xen, start, Level::L2)?.ok_or(MmError::NotMapped { at: start })?;
        let place = growth.table(xen, frames, first, Level::L2, Reach::Inherit)?;
        let words = growth.tables().window().page(xen, high.pfn);
        for (slot, word) in (0..slots - table).zip(words) {
            let (at, before) = (start + slot * L1_SPAN, Pte::from_word(word));
            let entry = Pte::table(before.mfn(), Reach::NeverExecute);
            if !image::slots(image).any(|slot| slot == at) {
                growth.batch.change(high.slot(at), before, entry);
            }
            let at = first + slot * L1_SPAN;
            match place {
                Place::Fresh(l2) => growth.store(xen, l2, Level::L2.index(at), entry)?,
                Place::Hooked(l2) => {
                    let before = growth.tables().entry(xen, l2, at);
                    growth.batch.change(l2.slot(at), before, entry);
                }
            }
        }
    }
    Ok(())
}

/// Makes the L4 slots of a list with a mapping of its own non-executable: they hold nothing else.
fn list_is_data<X: Hypervisor>(growth: &mut Growth<'_>, layout: &Layout, xen: &X) {
    let list = layout.list_has_own_mapping().then_some(layout.mfn_list);
    let root = growth.tables().root();
    for at in list.into_iter().flat_map(l4_slots) {
        let before = growth.tables().entry(xen, root, at);
        // The walk of the list reports one that is missing.
        if before.is_present() {
            growth.batch.change(root.slot(at), before, Pte::table(before.mfn(), Reach::NeverExecute));
        }
    }
}

/// Maps those of `pages` that the direct map does not show yet, all in one hypercall; slots without an L1 table get
/// one. Nothing else is mapped, and the window shows exactly what is mapped.
///
/// # Errors
/// [`MmError`] if memory runs out, a page has no frame or Xen refuses an entry; the direct map is unchanged then.
pub fn extend<X: Hypervisor>(
    memory: &mut Memory<'_>,
    pages: &[PfnRange],
    xen: &mut X,
) -> Result<(), MmError> {
    extend_by(memory.p2m, memory.tables, pages, memory.frames, xen)
}

/// As [`extend`], while the builder's list is the only P2M.
pub(crate) fn extend_by<X: Hypervisor>(
    p2m: &dyn Leaves<X>,
    tables: &mut Tables,
    pages: &[PfnRange],
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    let window = tables.window();
    let hidden: Vec<PfnRange> = pages.iter().flat_map(|range| window.hidden(*range)).collect();
    let mut growth = Growth::new(tables);
    growth.reserve(most_tables(&hidden), most_changes(&hidden));
    let mut parts = hidden.iter().flat_map(|range| by_slot(*range));
    let filled = parts.try_for_each(|part| show(&mut growth, part, p2m, frames, xen));
    growth.commit(filled, frames, xen)?;
    for part in hidden {
        tables.window_mut().extend(part);
    }
    Ok(())
}

/// Maps the pages of runs into the direct map, as [`extend`] does.
pub(crate) fn show_runs<X: Hypervisor>(
    runs: &[Run],
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    let ranges: Vec<PfnRange> = runs.iter().map(Run::pages).collect();
    extend(memory, &ranges, xen)
}

/// The most tables that mapping the ranges can take: an L1 for each slot, and those above.
fn most_tables(hidden: &[PfnRange]) -> usize {
    let l1_tables: usize = hidden.iter().map(|range| by_slot(*range).count()).sum();
    l1_tables + l1_tables / 512 + 4
}

/// The most entries that mapping the ranges can change in existing tables: those of slots that are mapped in part.
fn most_changes(hidden: &[PfnRange]) -> usize {
    let parts = hidden.iter().flat_map(|range| by_slot(*range)).map(PfnRange::pages);
    // A domain has fewer pages than any usize holds.
    parts.filter(|pages| *pages < ENTRIES).sum::<u64>() as usize
}

/// Enters pages of one slot into its L1 table, whose entries for them are zero.
fn show<X: Hypervisor>(
    growth: &mut Growth<'_>,
    part: PfnRange,
    p2m: &dyn Leaves<X>,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    let slot = part.start.slot_start();
    let place = growth.table(xen, frames, area::direct(slot), Level::L1, Reach::NeverExecute)?;
    let mut entries = p2m.leaf_words(growth.tables().window(), xen, slot);
    frames_to_entries(part, &mut entries, growth.tables(), xen)?;
    // Below 512: fits any usize.
    let entry = |pfn: Pfn| entries[pfn.above(slot) as usize];
    match place {
        Place::Fresh(l1) => {
            let table = growth.words(xen, l1)?;
            part.iter().for_each(|pfn| table[pfn.above(slot) as usize] = entry(pfn));
            Ok(())
        }
        Place::Hooked(l1) => part.iter().try_for_each(|pfn| {
            let at = area::direct(pfn);
            let before = growth.tables().entry(xen, l1, at);
            if !before.is_zero() {
                return Err(MmError::Leftover { at, level: Level::L1, entry: before.word() });
            }
            growth.batch.change(l1.slot(at), before, Pte::from_word(entry(pfn)));
            Ok(())
        }),
    }
}

/// Replaces the frames of pages of one slot, each of which M2P must confirm, by their L1 entries.
fn frames_to_entries<X: Hypervisor>(
    part: PfnRange,
    words: &mut Words,
    tables: &Tables,
    xen: &X,
) -> Result<(), MmError> {
    let slot = part.start.slot_start();
    let first = words[0];
    let agrees =
        Row::of_frames(Mfn::new(first)).differences(words) == 0 && xen.m2p_names_row(Mfn::new(first), slot);
    for pfn in part.iter() {
        // Below 512: fits any usize.
        let index = pfn.above(slot) as usize;
        let frame = Mfn::from_p2m(words[index]).ok_or(MmError::NoFrame { pfn })?;
        let frame = if agrees { frame } else { confirm(xen, pfn, frame)? };
        words[index] = tables.entry_to_show(pfn, frame).word();
    }
    Ok(())
}

/// Returns the direct map's L1 entry for a page that it shows.
///
/// # Errors
/// [`MmError::NotMapped`] if it does not.
pub fn entry_of<X: Hypervisor>(tables: &Tables, xen: &X, pfn: Pfn) -> Result<(Slot, Pte), MmError> {
    let at = area::direct(pfn);
    tables.leaf(xen, at)?.filter(|(_, entry)| entry.is_present()).ok_or(MmError::NotMapped { at })
}

const _: () =
    assert!(area::DIRECT.as_u64().is_multiple_of(L2_SPAN) && area::HIGH.as_u64().is_multiple_of(L2_SPAN));
