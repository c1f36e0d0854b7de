//! Stage 6 of 9: moves the P2M, so that no leaf is reached through the high mapping any more.
//!
//! There are three ways. `copy` (option 2 of the change that this project started from): the list is copied to memory
//! that the direct map shows, leaves are re-pointed, the old list is filled with ones and given back. `alias` (its option
//! 1): the frames stay, and each leaf pointer is replaced by the direct map's address of the same page. `linear`: the
//! frames stay too, and the builder's L1 tables are hooked once more, at addresses that the toolstack can read; there are
//! no leaf pointers. Either way the result is a [`P2m<Moved>`] and a [`Retired`], the only thing that `cleanup` accepts.
//! `baseline` is `copy`, but maps all RAM first. `keep` does nothing, on purpose: it shows the failure that the others
//! cure.
//!
//! ```text
//!   copy, baseline:  take pages -> map them -> for each mid page: copy its leaves, re-point them, fill the old ones
//!   alias:                                     for each mid page:                  re-point them
//!   linear:          hook the list's L1 tables, one L2 entry for each 2 MiB of list
//! ```
//!
//! The new list's leaves are packed by a running number, not by pfn: with holes there are fewer leaves than pages in
//! the old list. The move is all or nothing: memory is taken and mapped before the first pointer changes. Lineage:
//! Linux `xen_revector_p2m_tree`; 054954eb for the list.

use alloc::vec::Vec;

use super::baseline;
use super::index::{self, INVALID};
use super::linear::Linear;
use super::physmap::{Leaf, Lookup, Physmap};
use super::reader::FrameReader;
use super::state::{Initial, Moved, P2m};
use super::strategy::Strategy;
use crate::builder_list::OwnMapping;
use crate::direct_map;
use crate::error::MmError;
use crate::frames::{Frames, Run, give_back};
use crate::memory::Memory;
use crate::tables::Tables;
use xen::addr::{ENTRIES, PAGE_SIZE, Pfn, PfnRange, VirtRange};
use xen::{Hypervisor, Row};

/// The old list, which no leaf points to any more: it must be unmapped, and its pages may be free.
#[derive(Debug)]
#[must_use = "the old list is still mapped in the module area until it is cleaned"]
pub struct Retired {
    /// Where the list was.
    pub addresses: VirtRange,
    /// What becomes of that mapping.
    pub fate: Fate,
    /// Its pages, if the P2M no longer uses them.
    pub(crate) pages: Vec<Run>,
    /// The list's own mapping, if it had one that is of no use any more.
    pub(crate) own_mapping: Option<OwnMapping>,
}

/// What becomes of the mapping that the builder gave its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is mapped there any more, once the high mapping is clean.
    Unmapped,
    /// It is where the list stays.
    Stays,
}

/// The outcome of revectoring.
#[derive(Debug)]
pub enum Outcome {
    /// Leaves are out of the high mapping.
    Moved(P2m<Moved>, Retired),
    /// Nothing was done (`p2m=keep`).
    Kept(P2m<Initial>),
}

impl Outcome {
    /// Returns the P2M, and the old list if there is one to be cleaned.
    #[must_use]
    pub fn into_parts(self) -> (Physmap, Option<Retired>) {
        match self {
            Self::Moved(p2m, retired) => (p2m.into_physmap(), Some(retired)),
            Self::Kept(p2m) => (p2m.into_physmap(), None),
        }
    }
}

/// Moves the P2M by the strategy that it was built for.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses a mapping; no leaf has moved then.
#[inline(never)]
pub fn revector<X: Hypervisor>(
    p2m: P2m<Initial>,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Outcome, MmError> {
    let mut memory = Memory { tables, p2m: &p2m, frames: &mut *frames };
    let list = match p2m.strategy() {
        Strategy::Keep => return Ok(Outcome::Kept(p2m)),
        Strategy::Linear => return linear(p2m.into_physmap(), tables, frames, xen),
        Strategy::Alias => {
            // The direct map shows what the high mapping does, but not yet a list with a mapping of its own.
            direct_map::show_runs(p2m.list.runs(), &mut memory, xen)?;
            None
        }
        Strategy::Copy => Some(memory.take_mapped(leaves(&memory, xen), xen, &direct_map::show_runs)?),
        Strategy::Baseline => Some(memory.take_mapped(leaves(&memory, xen), xen, &baseline::map_all)?),
    };
    match &list {
        Some(runs) => copy(&memory, runs, xen)?,
        None => alias(&memory, xen),
    }
    retire(p2m.into_physmap(), list, frames)
}

/// Leaves the list where a builder gave it a mapping of its own; otherwise hooks its L1 tables once more.
fn linear<X: Hypervisor>(
    mut p2m: Physmap,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Outcome, MmError> {
    let addresses = p2m.list.range();
    let fate = if p2m.list.own_mapping().is_some() { Fate::Stays } else { Fate::Unmapped };
    if fate == Fate::Unmapped {
        // In the high mapping the list is one run: page after page.
        let list = p2m.list.runs().first().map_or(PfnRange::new(Pfn::ZERO, 0), Run::pages);
        p2m.lookup = Lookup::Linear(Linear::hook(list, tables, frames, xen)?);
        p2m.list.leave();
        p2m.publish(tables, xen)?;
    }
    let retired = Retired { addresses, fate, pages: Vec::new(), own_mapping: None };
    Ok(Outcome::Moved(P2m::new(p2m), retired))
}

/// Pages that a new list needs: one for each leaf that is not shared, so fewer than the old one's if there are holes.
fn leaves<X: Hypervisor>(memory: &Memory<'_>, xen: &X) -> u64 {
    let p2m = memory.p2m;
    mids(p2m).map(|top| p2m.leaves_of(top, memory.window(), xen).count() as u64).sum()
}

fn mids(p2m: &Physmap) -> core::ops::Range<u64> {
    0..index::mids(p2m.nr_pages)
}

/// Re-points each leaf to its own page's address in the direct map.
fn alias<X: Hypervisor>(memory: &Memory<'_>, xen: &mut X) {
    mids(memory.p2m).for_each(|top| readdress(top, memory, xen));
}

/// Re-points the leaves of one mid page that are reached at the builder's addresses to those that the direct map has for
/// the same pages: in nearly every mid page, all of them. Their frames stay what they are, and so does the frame list.
fn readdress<X: Hypervisor>(top: u64, memory: &Memory<'_>, xen: &mut X) {
    let (p2m, window) = (memory.p2m, memory.window());
    let Some(tree) = p2m.tree() else { return };
    let (mut slot, mut at) = (0, p2m.list.address(top * ENTRIES).as_u64());
    let whole = tree.mid(window, top).differences(xen, Row { first: at, step: PAGE_SIZE }) == 0;
    let mid = tree.mid_mut(top, window, xen);
    for (_, pages) in p2m.list.part(top * ENTRIES, ENTRIES) {
        // At most 512: fits any usize.
        let (count, bytes) = (pages.pages() as usize, pages.pages() * PAGE_SIZE);
        let to = window.address(pages.start).as_u64();
        let pointers = &mut mid[slot..slot + count];
        if whole {
            (0..).zip(pointers).for_each(|(page, pointer)| *pointer = to + page * PAGE_SIZE);
        } else {
            let own = |pointer: &u64| pointer.wrapping_sub(at) < bytes;
            pointers
                .iter_mut()
                .filter(|pointer| own(pointer))
                .for_each(|pointer| *pointer = *pointer - at + to);
        }
        (slot, at) = (slot + count, at + bytes);
    }
}

/// Copies leaves into `runs`, re-points them, and fills the old ones with ones; one mid page's worth at a time, so that
/// what was just copied is filled while it is still in the caches.
fn copy<X: Hypervisor>(memory: &Memory<'_>, runs: &[Run], xen: &mut X) -> Result<(), MmError> {
    let (p2m, window) = (memory.p2m, memory.window());
    let mut targets = runs.iter().flat_map(|run| run.pages().iter().map(move |to| (run, to)));
    for top in mids(p2m) {
        let leaves = p2m.leaves_of(top, window, xen);
        let steps: Vec<Step<'_>> =
            leaves.zip(&mut targets).map(|(from, (run, to))| Step { from, run, to }).collect();
        for piece in steps.chunk_by(Step::is_followed_by) {
            let Step { from, run, to } = piece[0];
            let old = p2m.list.writable(window, from);
            window.copy(xen, old, PfnRange::new(from, piece.len() as u64), run, to.above(run.first()));
        }
        let mut steps = steps.iter();
        // A fresh reader: the leaves that an earlier one has found are moved and filled by now.
        let mut reader = FrameReader::new(p2m, window);
        repoint(top, memory, &mut reader, xen, &mut |_| steps.next().map(|step| step.to))?;
        for (run, part) in p2m.list.part(top * ENTRIES, ENTRIES) {
            p2m.list.writable(window, part.start).fill(xen, run, part, INVALID);
        }
    }
    Ok(())
}

/// A leaf that is copied: from which page, to which page of which run.
#[derive(Clone, Copy, Debug)]
struct Step<'r> {
    from: Pfn,
    run: &'r Run,
    to: Pfn,
}

impl Step<'_> {
    /// Tells whether the next leaf directly follows this one in both source and target.
    fn is_followed_by(&self, next: &Self) -> bool {
        self.from.plus(1) == next.from && self.run == next.run
    }
}

/// Re-points the leaves of one mid page to the direct map's addresses of the pages that `target` names.
fn repoint<X: Hypervisor>(
    top: u64,
    memory: &Memory<'_>,
    reader: &mut FrameReader<'_, X>,
    xen: &mut X,
    target: &mut dyn FnMut(Pfn) -> Option<Pfn>,
) -> Result<(), MmError> {
    let window = memory.window();
    memory.p2m.repoint(top, window, xen, &mut |xen, leaf| {
        let Some(to) = leaf.and_then(&mut *target) else { return Ok(None) };
        // Cannot fail: a mapped page has a frame.
        Ok(Some(Leaf { at: window.address(to), frame: reader.frame(xen, to)? }))
    })
}

/// All leaves are now reached through the direct map: the tree no longer uses the high mapping, nor the old list if
/// there is a new one. The old list's pages are given back when they are unmapped.
fn retire(mut p2m: Physmap, new_list: Option<Vec<Run>>, frames: &mut Frames) -> Result<Outcome, MmError> {
    let addresses = p2m.list.range();
    let (fate, own_mapping) = (Fate::Unmapped, p2m.list.leave());
    let mut retired = Retired { addresses, fate, pages: Vec::new(), own_mapping };
    if let Some(runs) = new_list {
        retired.pages = p2m.list.replace(runs);
        // Leaves that were split off before have been copied like the others.
        give_back(p2m.split.drain(..).map(|split| split.run), frames)?;
    }
    Ok(Outcome::Moved(P2m::new(p2m), retired))
}
