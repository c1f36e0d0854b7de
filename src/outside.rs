//! What the toolstack's programs will find of the P2M when the domain has ended.
//!
//! `digest=on` prints what there is to read, so that a dump can be compared with it. Three selftests publish something
//! else, so that the comparison can be seen to fail. Neighbours: `boot` calls this when its stages are over;
//! `pv_memory::p2m` computes the digest and writes the wrong entries.

use crate::options::{Digest, Options, Selftest};
use crate::report;
use pv_memory::error::MmError;
use pv_memory::memory::Memory;
use pv_memory::p2m::misname::WrongFrame;
use xen::Hypervisor;

/// Prints the digest, and spoils the frame list, as far as the command line asks for it.
// In a frame of its own: the pages that it reads would lie on the stack of every stage.
#[inline(never)]
pub(crate) fn prepare<X: Hypervisor>(
    options: &Options,
    memory: &Memory<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    if options.digest == Digest::On {
        report::digest(&memory.p2m.digest(memory.window(), xen));
    }
    if let Some(wrong) = options.selftest.and_then(wrong_frame) {
        report::misnamed(memory.p2m.misname(memory.window(), xen, wrong)?, wrong);
    }
    if options.selftest == Some(Selftest::MisplacedList) {
        report::misplaced(memory.p2m.misplace(memory.tables, xen)?);
    }
    Ok(())
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
        | Selftest::MisplacedList => None,
    }
}
