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
use super::outcome::{Outcome, Retired, moved, new_list, retire, targets};
use super::tree::{INVALID, Initial, P2m};
use crate::direct_map;
use crate::error::MmError;
use crate::frames::{Frames, Run};
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
