//! The classic way to map a new list, kept for comparison: all RAM is mapped first.
//!
//! PV kernels have brought up their memory like this since the first of them. Every page of RAM gets an entry in the
//! direct map, by one element of `mmu_update` each, with as many elements per hypercall as an L1 table has entries;
//! making each L1 table takes another hypercall and a flush. Each page of the new list is then mapped by one
//! `update_va_mapping`. Cost: some 12 hypercalls and 2048 elements for each 8 MiB of RAM, whatever the P2M needs.
//! `revector` then copies; it also has the two ways that need none of this.
//!
//! Lineage: Mini-OS `build_pagetable`; Linux `xen_revector_p2m_tree`.

use alloc::vec::Vec;

use super::reader::{FrameReader, Leaves};
use crate::commit::{Batch, write_one};
use crate::error::MmError;
use crate::frames::{Frames, Run};
use crate::growth::{Growth, Place};
use crate::memory::Memory;
use crate::tables::{Table, Tables, confirm};
use xen::Hypervisor;
use xen::addr::{ENTRIES, Mfn, Pfn, PfnRange};
use xen::area;
use xen::pte::{Access, Level, Pte, Reach};

/// Maps all RAM, then the pages of the new list.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses a mapping.
pub(super) fn map_all<X: Hypervisor>(
    new_list: &[Run],
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    let all = PfnRange::new(Pfn::ZERO, memory.p2m.nr_pages);
    let first = memory.window().hidden(all).next().map_or(all.end, |hidden| hidden.start.slot_start());
    for slot in (first.raw()..memory.p2m.nr_pages).step_by(512).map(Pfn::new) {
        map_slot(slot, new_list, memory, xen)?;
    }
    // A copy, because the window grows meanwhile.
    let window = memory.window().clone();
    let mut reader = FrameReader::new(memory.p2m, &window);
    new_list.iter().flat_map(|run| run.pages().iter()).try_for_each(|pfn| {
        let frame = confirm(xen, pfn, reader.frame(xen, pfn)?)?;
        map_page(pfn, frame, memory, xen)
    })
}

/// Maps the pages of a 2 MiB slot, except those of the new list: their L1 entries stay zero.
fn map_slot<X: Hypervisor>(
    slot: Pfn,
    new_list: &[Run],
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    let l1 = hook_l1(slot, memory.tables, memory.frames, xen)?;
    let tables = &mut *memory.tables;
    let words = memory.p2m.leaf_words(tables.window(), xen, slot);
    let mut batch = Batch::new();
    batch.reserve(words.len());
    let mut shown: Vec<PfnRange> = Vec::new();
    let hidden = tables.window().hidden(PfnRange::new(slot, ENTRIES)).flat_map(PfnRange::iter);
    for pfn in hidden.filter(|pfn| !new_list.iter().any(|run| run.pages().contains(*pfn))) {
        // Below 512: fits any usize.
        let Some(mfn) = Mfn::from_p2m(words[pfn.above(slot) as usize]) else { continue };
        let mfn = confirm(xen, pfn, mfn)?;
        batch.change(l1.slot(area::direct(pfn)), Pte::ABSENT, tables.entry_to_show(pfn, mfn));
        match shown.last_mut() {
            Some(last) if last.end == pfn => last.end = pfn.plus(1),
            _ => shown.push(PfnRange::new(pfn, 1)),
        }
    }
    batch.commit(xen)?;
    for pages in shown {
        tables.window_mut().extend(pages);
    }
    Ok(())
}

/// Makes an empty L1 table for a slot and hooks it, in a hypercall of its own.
fn hook_l1<X: Hypervisor>(
    slot: Pfn,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Table, MmError> {
    let at = area::direct(slot);
    let mut growth = Growth::new(tables);
    let table = growth.table(xen, frames, at, Level::L1, Reach::NeverExecute).map(|place| match place {
        Place::Fresh(table) | Place::Hooked(table) => table,
    });
    growth.commit(table.map(|_| ()), frames, xen)?;
    table
}

/// Maps a page, in a hypercall of its own.
fn map_page<X: Hypervisor>(
    pfn: Pfn,
    frame: Mfn,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    let at = area::direct(pfn);
    let l1 = memory.tables.find(xen, at, Level::L1)?.ok_or(MmError::NotMapped { at })?;
    write_one(xen, l1.slot(at), at, Pte::leaf(frame, Access::Data))?;
    memory.tables.window_mut().extend(PfnRange::new(pfn, 1));
    Ok(())
}
