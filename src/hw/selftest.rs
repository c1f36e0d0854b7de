//! Failures on purpose (`selftest=`), to show what they look like and that the domain ends as it should.

use core::arch::asm;

use revector::mm::area;
use revector::options::Selftest;

use super::linker;

/// Fails as asked. The frames are kept apart so that the trace has names worth reading.
#[inline(never)]
pub(crate) fn run(selftest: Selftest) {
    log::warn!(target: "selftest", "provoking {selftest:?}");
    match selftest {
        Selftest::Panic => panic!("selftest=panic asked for it"),
        Selftest::Fault => fault(),
        Selftest::WildWrite => wild_write(),
        // Run by the boot itself.
        Selftest::Conformance => {}
    }
}

#[inline(never)]
fn fault() {
    let at = area::VMALLOC.start.as_u64();
    // SAFETY: faults, which is the point; nothing is mapped there after stage 8.
    unsafe { asm!("mov {0}, [{0}]", inout(reg) at => _, options(readonly, nostack)) };
}

#[inline(never)]
fn wild_write() {
    let at = linker::text().start.as_u64();
    // SAFETY: faults, which is the point: code is mapped read-only since stage 4.
    unsafe { asm!("mov qword ptr [{}], 0", in(reg) at, options(nostack)) };
}
