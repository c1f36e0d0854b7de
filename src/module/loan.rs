//! Pages that the heap is lent while modules are loaded: the image's own piece has no room for lists of their symbols.

use pv_memory::frames::{Frames, Run, Zone};
use pv_memory::tables::Tables;
use xen::Hypervisor;

/// 2 MiB.
const PAGES: u64 = 512;

/// Lends the heap some pages; a domain that has not so many goes without them.
pub(crate) fn lend<X: Hypervisor>(tables: &Tables, frames: &mut Frames, xen: &mut X) -> Option<Run> {
    let loan = frames.take(Zone::Mapped(tables.window()), PAGES).ok()?;
    tables.window().lend(xen, &loan);
    Some(loan)
}
