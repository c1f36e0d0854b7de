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
use super::tree::{INVALID, Initial, Moved, P2m};
use crate::addr::{PfnRange, VirtRange};
use crate::mm::direct_map;
use crate::mm::error::MmError;
use crate::mm::frames::{Frames, Run, give_back};
use crate::mm::layout::{Layout, Name};
use crate::mm::tables::Tables;
use crate::mm::window::Window;
use crate::options::Strategy;
use crate::xen::Hypervisor;

/// The old list, which no leaf points to any more: it must be unmapped, and its pages may be free.
#[derive(Debug)]
#[must_use = "the old list is still mapped in the module area until it is cleaned"]
pub struct Retired {
    /// Where the list was.
    pub high: VirtRange,
    /// Its pages, if the tree does not use them any more.
    pub(in crate::mm) pages: Option<Run>,
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
    mut p2m: P2m<Initial>,
    high: VirtRange,
    tables: &mut Tables,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Outcome, MmError> {
    let mut wanted = 0;
    p2m.for_each_leaf(tables.window(), xen, |_, _| wanted += 1);
    let runs = p2m.take_backed(wanted, tables.window(), frames, xen)?;
    let ranges: Vec<PfnRange> = runs.iter().map(Run::pages).collect();
    let frames_of = |xen: &X, window: &Window, slot| p2m.leaf_words(window, xen, slot);
    if let Err(error) = direct_map::extend(tables, &ranges, frames, xen, frames_of) {
        tables.release(runs, error, frames)?;
        return Err(error);
    }
    copy_leaves(&p2m, &runs, tables.window(), xen);
    point_leaves(&p2m, &ranges, tables.window(), xen)?;
    let old = core::mem::replace(&mut p2m.list, runs);
    for run in &old {
        tables.window().fill(xen, run, INVALID);
    }
    // Leaves that were split off before have been copied like the others.
    give_back(core::mem::take(&mut p2m.split), frames)?;
    Ok(Outcome::Moved(moved(p2m), Retired { high, pages: old.into_iter().next() }))
}

/// A stretch of leaves that lies together on both sides.
struct Piece {
    source: PfnRange,
    run: usize,
    page: u64,
}

/// Copies leaves into the runs, a piece at a time.
fn copy_leaves<X: Hypervisor>(p2m: &P2m<Initial>, runs: &[Run], window: &Window, xen: &mut X) {
    let pages_of = |(run, pages): (usize, &Run)| (0..pages.pages().pages()).map(move |page| (run, page));
    let mut targets = (0..).zip(runs).flat_map(pages_of);
    let mut open: Option<Piece> = None;
    p2m.for_each_leaf(window, xen, |xen, leaf| {
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

fn point_leaves<X: Hypervisor>(
    p2m: &P2m<Initial>,
    ranges: &[PfnRange],
    window: &Window,
    xen: &mut X,
) -> Result<(), MmError> {
    let mut targets = ranges.iter().flat_map(|range| range.iter());
    let mut frames = FrameReader::new(p2m);
    p2m.repoint(window, xen, |xen, _, leaf| {
        let Some(target) = leaf.and_then(|_| targets.next()) else { return Ok(None) };
        Ok(Some((window.address(target), frames.frame(window, xen, target)?)))
    })
}

/// All leaves are behind the direct map: the tree lets go of the high mapping.
fn moved(mut p2m: P2m<Initial>) -> P2m<Moved> {
    p2m.high = None;
    p2m.into_state()
}
