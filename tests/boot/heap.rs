//! The image's heap is 192 KiB, whatever the domain's size: no stage's use of it grows beyond a bound, which is here.
//!
//! Every boot on the model runs in a heap of the image's size and kind (`xen_model::GuestHeap`); these tests say how
//! much of it a boot takes, and that a boot that took more would not pass unnoticed.

use crate::support;
use crate::support::boot;
use pv_memory::error::MmError;
use pv_memory::frames::FrameError;
use revector::error::BootError;
use revector::stage::Stage;
use xen::addr::{Pfn, PfnRange};
use xen::heap::BYTES;
use xen::verdict::Verdict;
use xen_model::{Builder, Domain, ImageShape, Notes, Ramdisk};

const GIB: u64 = 1024;

/// Most that any boot may use: what the largest domain needs, and a little more.
const BOUND: usize = 80 << 10;

fn peak(domain: &Domain, line: &str) -> usize {
    let mut built = domain.build().unwrap();
    boot(&mut built, line).unwrap();
    println!("{:6} MiB, {line}: {} bytes", domain.pages / 256, built.xen.heap_peak());
    built.xen.heap_peak()
}

#[test]
fn no_boot_uses_more_of_the_heap_than_the_bound_up_to_512_gib() {
    let sizes = [64, 4 * GIB, 511 * GIB, 512 * GIB];
    let mut cases: Vec<_> = sizes.map(|mib| (Domain::guest(mib), "p2m=copy verify=off")).into();
    cases.push((Domain::guest(512 * GIB), "p2m=alias verify=off"));
    // A ramdisk that makes the high mapping as long as it can be, for stage 7.
    let ramdisk = Some(Ramdisk::blank(900 << 20));
    cases.push((Domain { ramdisk, ..Domain::guest(512 * GIB) }, "p2m=copy verify=off"));
    // A list with a mapping of its own: by pages of 4 KiB, and by as large ones as there are.
    for builder in [Builder::Toolstack, Builder::Xen] {
        let domain = Domain { builder, notes: Notes::BOTH, ..Domain::guest(512 * GIB) };
        cases.push((domain.clone(), "p2m=copy verify=off"));
        cases.push((domain, "p2m=alias verify=off"));
    }
    for (domain, line) in cases {
        let used = peak(&domain, line);
        assert!(used <= BOUND, "{domain:?}, {line}: {used} bytes");
    }
}

#[test]
fn an_image_as_large_as_a_kernel_fits_the_bound() {
    let image = ImageShape { pages: 0xe43, text: 0x400, rodata: 0x200 };
    assert!(peak(&Domain { image, ..Domain::guest(256) }, "") <= BOUND);
}

#[test]
fn the_classic_way_fits_the_bound_too() {
    for mib in [64, 4 * GIB] {
        assert!(peak(&Domain::guest(mib), "p2m=baseline verify=off") <= BOUND);
    }
}

#[test]
fn memory_in_more_pieces_than_a_list_may_have_is_an_error_and_no_panic() {
    let whole = Domain::guest(4 * GIB);
    let end = whole.rows().unwrap().mapped_end.raw();
    // Every other page is a hole; a new list of 2048 pages lies in as many pieces.
    let holes = (0..4000).map(|page| PfnRange::new(Pfn::new(end + 2 * page), 1)).collect();
    let domain = Domain { holes, ..whole };
    let mut built = domain.build().unwrap();
    let error = boot(&mut built, "p2m=copy").unwrap_err();
    let scattered = FrameError::Scattered { wanted: 2048, most: 512 };
    assert_eq!(error, BootError::Memory(Stage::Revector, MmError::Frames(scattered)));
    assert_eq!(error.verdict(), Verdict::Error);
    assert!(error.to_string().contains("p2m=alias"), "{error}");
}

#[test]
#[should_panic(expected = "the image's heap would be exhausted: 65536 bytes wanted")]
fn guest_code_that_takes_more_than_the_image_has_does_not_go_on() {
    let mut built = Domain::guest(64).build().unwrap();
    built.xen.run(|_| {
        let blocks: Vec<Vec<u8>> = (0..4).map(|_| Vec::with_capacity(1 << 16)).collect();
        assert_eq!(blocks.len() << 16, BYTES + (1 << 16));
    });
}

#[test]
#[should_panic(expected = "outside Xen::run")]
fn a_boot_outside_the_guests_heap_is_stopped() {
    let mut built = Domain::guest(64).build().unwrap();
    let options = support::options("");
    let exports = support::exports(&built.facts);
    let built_in = ko_loader::Source { name: "hello", object: support::hello() };
    let setup = revector::boot::Setup { facts: built.facts, options: &options, exports: &exports, built_in };
    let _ = revector::boot::boot(&built.start_info, &setup, &mut built.xen);
}
