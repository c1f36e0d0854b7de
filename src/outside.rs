//! What the toolstack's programs will find of the P2M when the domain has ended.
//!
//! `digest=on` prints what there is to read, so that a dump can be compared with it. One selftest changes the P2M first;
//! three publish something else than what is printed, so that the comparison can be seen to fail. Neighbours: `boot`
//! calls this when its stages are over; `pv_memory::p2m` grows, computes the digest and writes the wrong entries.

use crate::options::{Digest, Options, Selftest};
use crate::report;
use pv_memory::error::MmError;
use pv_memory::frames::Zone;
use pv_memory::p2m::misname::WrongFrame;
use pv_memory::p2m::{Physmap, Slot};
use pv_memory::resources::Resources;
use xen::Hypervisor;
use xen::addr::{Pfn, PfnRange};

/// By how many pages the P2M grows: more than a GiB, so that there is a new mid page of a tree, and a part of a leaf.
const GROWTH: u64 = 300_007;

/// Changes the P2M, prints the digest, and publishes something wrong, as far as the command line asks for it.
// In a frame of its own: the pages that it reads would lie on the stack of every stage.
#[inline(never)]
pub(crate) fn prepare<X: Hypervisor>(
    options: &Options,
    p2m: &mut Physmap,
    resources: &mut Resources<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    if options.selftest == Some(Selftest::Grown) {
        report::grown(grow(p2m, resources, xen)?);
    }
    let tables = &*resources.tables;
    if options.digest == Digest::On {
        report::digest(&p2m.digest(tables.window(), xen));
    }
    if let Some(wrong) = options.selftest.and_then(wrong_frame) {
        report::misnamed(p2m.misname(tables.window(), xen, wrong)?, wrong);
    }
    if options.selftest == Some(Selftest::MisplacedList) {
        report::misplaced(p2m.misplace(tables, xen)?);
    }
    Ok(())
}

/// Adds pages without frames, and moves a free page to the last of them: a leaf gets a hole, and a hole becomes a leaf.
/// Returns the new pages.
fn grow<X: Hypervisor>(
    p2m: &mut Physmap,
    resources: &mut Resources<'_>,
    xen: &mut X,
) -> Result<PfnRange, MmError> {
    let new = PfnRange::new(Pfn::new(p2m.nr_pages()), GROWTH);
    p2m.grow(new.end.raw(), resources, xen)?;
    let window = resources.tables.window();
    let run = resources.frames.take(Zone::Far(window), 1)?;
    let slot = p2m.get(window, xen, run.first());
    p2m.set(resources, xen, run.first(), Slot::Missing)?;
    p2m.set(resources, xen, Pfn::new(new.end.raw() - 1), slot)?;
    resources.frames.discard(run);
    Ok(new)
}

const fn wrong_frame(selftest: Selftest) -> Option<WrongFrame> {
    match selftest {
        Selftest::TwiceNamedLeaf => Some(WrongFrame::LeafBefore),
        Selftest::LostLeaf => Some(WrongFrame::SharedMissing),
        Selftest::Panic
        | Selftest::Fault
        | Selftest::WildWrite
        | Selftest::Stack
        | Selftest::Conformance
        | Selftest::MisplacedList
        | Selftest::Grown => None,
    }
}
