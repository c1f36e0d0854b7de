//! The classic way to move the P2M, kept to be compared with: all RAM is mapped first, then the list is copied.
//!
//! This is how PV kernels have brought their memory up since the first of them. Every page of RAM gets an entry in
//! the direct map, by one element of `mmu_update` each, as many in a hypercall as an L1 table has entries; every L1
//! table takes a hypercall of its own to become one, and a flush. The list is then copied a page at a time, each page
//! of the new list mapped by one `update_va_mapping`. Cost: some 12 hypercalls and 2048 elements for each 8 MiB of
//! RAM, whatever the P2M needs. `revector` has the two ways that need none of this.
//!
//! Lineage: Mini-OS `build_pagetable`; Linux `xen_revector_p2m_tree`.

use alloc::vec::Vec;

use super::backed::FrameReader;
use super::outcome::{Outcome, new_list, retire, targets};
use super::tree::{INVALID, Initial, P2m};
use crate::commit::{Batch, write_one};
use crate::error::MmError;
use crate::frames::{Frames, Run};
use crate::growth::{Growth, Place};
use crate::tables::{Table, Tables, confirm};
use xen::Hypervisor;
use xen::addr::{ENTRIES, Mfn, Pfn, PfnRange, VirtRange};
use xen::area;
use xen::pte::{Access, Level, Pte, Reach};

/// Maps all RAM, then copies.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses a mapping.
pub(super) fn copy<X: Hypervisor>(
    p2m: P2m<Initial>,
    high: VirtRange,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Outcome, MmError> {
    let runs = new_list(&p2m, tables.window(), frames, xen)?;
    let first = tables.window().end().slot_start();
    for slot in (first.raw()..p2m.nr_pages).step_by(512).map(Pfn::new) {
        map_slot(&p2m, slot, &runs, tables, frames, xen)?;
    }
    copy_pages(&p2m, &runs, tables, xen)?;
    point_leaves(&p2m, &runs, tables, xen)?;
    for old in &p2m.list {
        tables.window().fill(xen, old, old.pages(), INVALID);
    }
    retire(p2m, runs, high, frames)
}

/// Maps the pages of a 2 MiB slot, but for those of the new list: their L1 entries stay zero until they are copied to.
fn map_slot<X: Hypervisor>(
    p2m: &P2m<Initial>,
    slot: Pfn,
    new_list: &[Run],
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    let l1 = hook_l1(slot, tables, frames, xen)?;
    let words = p2m.leaf_words(tables.window(), xen, slot);
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

/// Maps and copies a page at a time.
fn copy_pages<X: Hypervisor>(
    p2m: &P2m<Initial>,
    runs: &[Run],
    tables: &mut Tables,
    xen: &mut X,
) -> Result<(), MmError> {
    let mut leaves = Vec::new();
    let mut targets = targets(runs);
    let mut reader = FrameReader::new(p2m);
    for top in 0..p2m.plan.mids {
        p2m.for_each_leaf_of(top, tables.window(), xen, |_, leaf| leaves.push(leaf));
        for (leaf, (run, page)) in leaves.drain(..).zip(&mut targets) {
            let target = runs[run].first().plus(page);
            let at = area::direct(target);
            let frame = confirm(xen, target, reader.frame(tables.window(), xen, target)?)?;
            let entry = Pte::leaf(frame, Access::Data);
            let l1 = tables.find(xen, at, Level::L1)?.ok_or(MmError::NotMapped { at })?;
            write_one(xen, l1.slot(at), at, entry)?;
            tables.window_mut().extend(PfnRange::new(target, 1));
            tables.window().copy(xen, PfnRange::new(leaf, 1), &runs[run], page);
        }
    }
    Ok(())
}

fn point_leaves<X: Hypervisor>(
    p2m: &P2m<Initial>,
    runs: &[Run],
    tables: &Tables,
    xen: &mut X,
) -> Result<(), MmError> {
    let window = tables.window();
    let mut targets = targets(runs);
    let mut reader = FrameReader::new(p2m);
    p2m.repoint(window, xen, |xen, _, leaf| {
        let Some((run, page)) = leaf.and_then(|_| targets.next()) else { return Ok(None) };
        let target = runs[run].first().plus(page);
        Ok(Some((window.address(target), reader.frame(window, xen, target)?)))
    })
}
