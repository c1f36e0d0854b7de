//! The kernel's own main, booted on a model of Xen.

use xen::Verdict;
use xen_model::{Domain, GuestHeap};

#[path = "../src/main.rs"]
mod kernel;

/// What the kernel allocates comes from a heap as large as an image's.
#[global_allocator]
static HEAP: GuestHeap = GuestHeap;

#[test]
fn looks_up_what_xen_confirms() {
    let run = Domain::guest(64).boot(kernel::main);
    assert_eq!(run.verdict, Verdict::Success, "{}", run.console);
    let says = |line: &str| assert!(run.console.contains(line), "{line}\n{}", run.console);
    says("pfn 0x0: Frame(mfn 0x");
    says("pfn 0x2000: Frame(mfn 0x");
    says("pfn 0x4000: Missing\n");
    says("512 of 512 entries equal M2P (sample of 16384); 1 of 1 leaves");
}
