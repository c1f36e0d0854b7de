//! What every way to move the P2M shares: pages for the new list, which leaf goes where, what becomes of the old one.
//!
//! Neighbours: `revector` and `baseline` are the ways; `cleanup` takes the [`Retired`] list.

use alloc::vec::Vec;

use super::tree::{Initial, Moved, P2m};
use crate::error::MmError;
use crate::frames::{Frames, Run, give_back};
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::VirtRange;

/// The old list, which no leaf points to any more: it must be unmapped, and its pages may be free.
#[derive(Debug)]
#[must_use = "the old list is still mapped in the module area until it is cleaned"]
pub struct Retired {
    /// Where the list was.
    pub high: VirtRange,
    /// Its pages, if the tree does not use them any more.
    pub(crate) pages: Option<Run>,
}

/// What revectoring came to.
#[derive(Debug)]
pub enum Outcome {
    /// Leaves are in the direct map.
    Moved(P2m<Moved>, Retired),
    /// Nothing was done (`p2m=keep`).
    Kept(P2m<Initial>),
}

/// Takes pages for a new list: one for each leaf that is not shared, so fewer than the old one has if it has holes.
pub(super) fn new_list<X: Hypervisor>(
    p2m: &P2m<Initial>,
    window: &Window,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Vec<Run>, MmError> {
    let mut wanted = 0;
    p2m.for_each_leaf(window, xen, |_, _| wanted += 1);
    p2m.take_backed(wanted, window, frames, xen)
}

/// Ends a copy: the new list takes the old one's place, whose pages are to be given back when they are unmapped.
pub(super) fn retire(
    mut p2m: P2m<Initial>,
    runs: Vec<Run>,
    high: VirtRange,
    frames: &mut Frames,
) -> Result<Outcome, MmError> {
    let old = core::mem::replace(&mut p2m.list, runs);
    // Leaves that were split off before have been copied like the others.
    give_back(core::mem::take(&mut p2m.split), frames)?;
    Ok(Outcome::Moved(moved(p2m), Retired { high, pages: old.into_iter().next() }))
}

/// The pages that leaves go to: index of a run, and page in it.
pub(super) fn targets(runs: &[Run]) -> impl Iterator<Item = (usize, u64)> {
    let pages_of = |(run, pages): (usize, &Run)| (0..pages.pages().pages()).map(move |page| (run, page));
    (0..).zip(runs).flat_map(pages_of)
}

/// All leaves are behind the direct map: the tree lets go of the high mapping.
pub(super) fn moved(mut p2m: P2m<Initial>) -> P2m<Moved> {
    p2m.high = None;
    p2m.into_state()
}
