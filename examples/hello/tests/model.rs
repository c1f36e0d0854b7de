//! The kernel's own main, booted on a model of Xen.

use xen::Verdict;
use xen_model::{Domain, GuestHeap};

#[path = "../src/main.rs"]
mod kernel;

/// What the kernel allocates comes from a heap as large as an image's.
#[global_allocator]
static HEAP: GuestHeap = GuestHeap;

#[test]
fn says_what_it_was_handed() {
    let run = Domain::guest(64).boot(kernel::main);
    assert_eq!(run.verdict, Verdict::Success, "{}", run.console);
    assert!(run.console.starts_with("xen-3.0-x86_64: 16384 pages, Guest\n"), "{}", run.console);
    assert_eq!(run.console.lines().filter(|line| line.starts_with("pfn 0x")).count(), 4);
}
