//! Deliberate failures (`selftest=`), to show what they look like and that the domain ends as it should.

use core::arch::asm;

use revector::options::Selftest;
use xen::area;

use xen::rt::{console, linker};

/// Fails as requested. The functions are not inlined, so that the trace has useful names.
#[inline(never)]
pub(crate) fn run(selftest: Selftest) {
    log::warn!(target: "selftest", "provoking {selftest:?}");
    match selftest {
        Selftest::Panic => panic!("selftest=panic asked for it"),
        Selftest::Fault => fault(),
        Selftest::WildWrite => wild_write(),
        Selftest::Stack => stack(),
        // Run by the boot itself.
        Selftest::Conformance
        | Selftest::TwiceNamedLeaf
        | Selftest::LostLeaf
        | Selftest::MisplacedList
        | Selftest::Grown => {}
    }
}

#[inline(never)]
fn fault() {
    let at = area::VMALLOC.start.as_u64();
    // SAFETY: faults, as intended; nothing is mapped there after stage 8.
    unsafe { asm!("mov {0}, [{0}]", inout(reg) at => _, options(readonly, nostack)) };
}

#[inline(never)]
fn wild_write() {
    let at = linker::text().start.as_u64();
    // SAFETY: faults, as intended: code has been mapped read-only since stage 4.
    unsafe { asm!("mov qword ptr [{}], 0", in(reg) at, options(nostack)) };
}

/// Prints where the stack ends, because the guest cannot do so afterwards: Xen has no room to push the exception.
#[inline(never)]
fn stack() {
    let (stack, guard) = (linker::stack(), linker::stack_guard());
    log::warn!(target: "selftest", "the stack is {stack}, nothing is mapped at {guard:#x} below it");
    console::drain();
    log::error!(target: "selftest", "the stack took {} frames: expected the end of the domain", descend(0));
}

/// Calls itself, each time with a frame of more than a page, until the stack is at its end.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    let mut room = [depth; 640];
    // Makes the compiler keep the room across the call.
    core::hint::black_box(&mut room);
    if room[0] < 1000 { descend(room[0] + 1) + room[639].min(1) } else { depth }
}
