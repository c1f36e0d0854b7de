//! Stage 6 of 9: revectors the tree, so that no leaf is reached through the high mapping any more.
//!
//! Two ways, as the change that this project started from names them. `copy` (its option 2): a new list in memory
//! that the direct map shows, leaves re-pointed, the old list filled with ones and given back. `alias` (its option
//! 1): the same frames, each leaf pointer replaced by the direct map's address of the same page; nothing is copied.
//! Either way the result is a [`P2m<Moved>`] and a [`Retired`], the only thing that `cleanup` accepts. `keep` does
//! nothing, on purpose: it is the failure that the others cure.
//!
//! Leaves are packed by a running number, not by pfn: with holes there are fewer leaves than pages of list. All or
//! nothing: memory is taken and mapped before the first pointer changes. Lineage: Linux `xen_revector_p2m_tree`.

use alloc::vec::Vec;

use super::backed::FrameReader;
use super::baseline;
use super::tree::{INVALID, Initial, Moved, P2m};
use crate::direct_map;
use crate::error::MmError;
use crate::frames::{Frames, Run, give_back};
use crate::layout::{Layout, Name};
use crate::tables::Tables;
use crate::window::Window;
use xen::Hypervisor;
use xen::addr::{ENTRIES, PfnRange, VirtRange};

/// How stage 6 moves the P2M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// New list in direct-map memory, old one given back.
    Copy,
    /// Same frames, reached through the direct map.
    Alias,
    /// The classic way, to be compared with: all RAM mapped at boot, one element a page, then copied.
    Baseline,
    /// Left where it is: no revectoring, no cleanup. The control that must fail.
    Keep,
}

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

/// Revectors the tree.
///
/// # Errors
/// [`MmError`] if memory runs out or Xen refuses a mapping; nothing has been re-pointed then.
pub fn revector<X: Hypervisor>(
    p2m: P2m<Initial>,
    strategy: Strategy,
    layout: &Layout,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Outcome, MmError> {
    let high = layout.high(Name::Phys2mach);
    match strategy {
        Strategy::Keep => Ok(Outcome::Kept(p2m)),
        Strategy::Alias => Ok(alias(p2m, high, tables, xen)?),
        Strategy::Copy => copy(p2m, high, tables, frames, xen),
        Strategy::Baseline => baseline::copy(p2m, high, tables, frames, xen),
    }
}

fn alias<X: Hypervisor>(
    p2m: P2m<Initial>,
    high: VirtRange,
    tables: &Tables,
    xen: &mut X,
) -> Result<Outcome, MmError> {
    let window = tables.window();
    let mut frames = FrameReader::new(&p2m);
    p2m.repoint(window, xen, |xen, _, leaf| {
        leaf.map(|leaf| Ok((window.address(leaf), frames.frame(window, xen, leaf)?))).transpose()
    })?;
    Ok(Outcome::Moved(moved(p2m), Retired { high, pages: None }))
}

fn copy<X: Hypervisor>(
    p2m: P2m<Initial>,
    high: VirtRange,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Outcome, MmError> {
    let runs = new_list(&p2m, tables.window(), frames, xen)?;
    let ranges: Vec<PfnRange> = runs.iter().map(Run::pages).collect();
    let frames_of = |xen: &X, window: &Window, slot| p2m.leaf_words(window, xen, slot);
    if let Err(error) = direct_map::extend(tables, &ranges, frames, xen, frames_of) {
        tables.release(runs, error, frames)?;
        return Err(error);
    }
    move_leaves(&p2m, &runs, tables.window(), xen)?;
    retire(p2m, runs, high, frames)
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

/// Copies leaves into the runs, re-points them, and fills the old ones with ones; a mid page's worth at a time, so
/// that what was just copied is filled while the caches still know it.
fn move_leaves<X: Hypervisor>(
    p2m: &P2m<Initial>,
    runs: &[Run],
    window: &Window,
    xen: &mut X,
) -> Result<(), MmError> {
    let (mut copied, mut pointed) = (targets(runs), targets(runs));
    let mut frames = FrameReader::new(p2m);
    for top in 0..p2m.plan.mids {
        copy_mid(p2m, top, &mut copied, runs, window, xen);
        p2m.repoint_mid(top, window, xen, |xen, _, leaf| {
            let Some((run, page)) = leaf.and_then(|_| pointed.next()) else { return Ok(None) };
            let target = runs[run].first().plus(page);
            // Cannot fail: only pages with a frame were taken.
            Ok(Some((window.address(target), frames.frame(window, xen, target)?)))
        })?;
        for old in &p2m.list {
            let part = PfnRange::new(old.first().plus(top * ENTRIES), ENTRIES);
            window.fill(xen, old, part, INVALID);
        }
    }
    Ok(())
}

/// The pages that leaves go to: index of a run, and page in it.
pub(super) fn targets(runs: &[Run]) -> impl Iterator<Item = (usize, u64)> {
    let pages_of = |(run, pages): (usize, &Run)| (0..pages.pages().pages()).map(move |page| (run, page));
    (0..).zip(runs).flat_map(pages_of)
}

/// A stretch of leaves that lies together on both sides.
struct Piece {
    source: PfnRange,
    run: usize,
    page: u64,
}

/// Copies the leaves of one mid page, a piece at a time.
fn copy_mid<X: Hypervisor>(
    p2m: &P2m<Initial>,
    top: u64,
    targets: &mut impl Iterator<Item = (usize, u64)>,
    runs: &[Run],
    window: &Window,
    xen: &mut X,
) {
    let mut open: Option<Piece> = None;
    p2m.for_each_leaf_of(top, window, xen, |xen, leaf| {
        let Some((run, page)) = targets.next() else { return };
        match &mut open {
            Some(piece) if piece.source.end == leaf && piece.run == run => piece.source.end = leaf.plus(1),
            _ => {
                let next = Piece { source: PfnRange::new(leaf, 1), run, page };
                copy_piece(open.replace(next), runs, window, xen);
            }
        }
    });
    copy_piece(open, runs, window, xen);
}

fn copy_piece<X: Hypervisor>(piece: Option<Piece>, runs: &[Run], window: &Window, xen: &mut X) {
    if let Some(Piece { source, run, page }) = piece {
        window.copy(xen, source, &runs[run], page);
    }
}

/// All leaves are behind the direct map: the tree lets go of the high mapping.
fn moved(mut p2m: P2m<Initial>) -> P2m<Moved> {
    p2m.high = None;
    p2m.into_state()
}
