//! Pure code of the library, for `make bench` to count the instructions of: one case a run, under callgrind.
//!
//! `pure list` prints the cases. Only what runs inside [`measured`] is counted; the rest makes the input. Nothing
//! here measures time.

use std::hint::black_box;

use ko_loader::{Archive, Image, Object};
use pv_memory::direct_map;
use pv_memory::frames::{Frames, Zone};
use pv_memory::layout::Layout;
use pv_memory::p2m::Strategy;
use pv_memory::p2m::{self, P2m};
use pv_memory::tables::Tables;
use pv_memory::walk::BootTables;
use revector::options::Options;
use xen::addr::{Pfn, PfnRange, VirtAddr};
use xen::start_info::BootInfo;
use xen_model::{Built, Domain, GuestHeap};

/// Why building and booting the model's guest cannot fail.
const FITS: &str = "a guest of 1 GiB without a ramdisk is the plainest there is";

/// Guest code has the image's heap, also where its instructions are counted.
#[global_allocator]
static HEAP: GuestHeap = GuestHeap;

type Case = (&'static str, fn());

const CASES: [Case; 6] = [
    ("options", options),
    ("archive", archive),
    ("object", object),
    ("frames", frames),
    ("walk", walk),
    ("revector", revector),
];

#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

static HELLO: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("REVECTOR_HELLO")));

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match CASES.iter().find(|(case, _)| *case == name) {
        Some((_, run)) => run(),
        None => CASES.iter().for_each(|(case, _)| println!("{case}")),
    }
}

/// Runs what is counted; callgrind knows it by its name.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(black_box(work)())
}

/// A command line with every kind of key.
fn options() {
    let line =
        black_box(b"p2m=alias cleanup=off verify=sample modules=a,b,c loglevel=debug hello.times=3 quiet");
    measured(|| (0..100).filter(|_| Options::parse(line).is_ok()).count());
}

/// An archive of a thousand files, each header and checksum looked at.
fn archive() {
    let bytes = newc(1000);
    let entries = measured(|| {
        let Ok(archive) = Archive::open(&bytes) else { return 0 };
        archive.entries().filter(|entry| entry.as_ref().is_ok_and(|entry| entry.verify().is_ok())).count()
    });
    assert_eq!(entries, 1000);
}

/// The built-in module: read, laid out, relocated.
fn object() {
    let kernel = |_: &str| Some(0xffff_ffff_8100_0000);
    let base = VirtAddr::new(0xffff_ffff_a000_0000);
    let good = measured(|| {
        let relocated = |bytes| Image::plan(Object::parse(bytes).ok()?).ok()?.relocate(base, kernel).ok();
        (0..10).filter(|_| relocated(black_box(&HELLO.0)).is_some()).count()
    });
    assert_eq!(good, 10);
}

/// Two hundred runs taken and given back, every other one first, so that extents come and go.
fn frames() {
    let gap = PfnRange::new(Pfn::new(0), 1 << 20);
    let mut frames = Frames::new([gap].into_iter());
    let mut built = Domain::guest(1024).build().expect(FITS);
    let (_, tables, _) = mapped(&mut built);
    let window = tables.window();
    measured(|| {
        let mut runs: Vec<_> = (0..200).map_while(|_| frames.take(Zone::Far(window), 7).ok()).collect();
        let odd: Vec<_> = (0..runs.len() / 2).map(|index| runs.remove(index)).collect();
        odd.into_iter().chain(runs).for_each(|run| assert!(frames.give_back(run).is_ok()));
    });
    assert_eq!(frames.free_pages(), 1 << 20);
}

/// Stage 3 on the model: the tables of a guest of 1 GiB.
fn walk() {
    let mut built = Domain::guest(1024).build().expect(FITS);
    let info = BootInfo::parse(&built.start_info, built.facts, &built.xen).expect(FITS);
    let layout = Layout::plan(&info).expect(FITS);
    let walked = measured(|| BootTables::walk(&layout, &built.facts, &mut built.xen, |_| ()).is_ok());
    assert!(walked);
}

/// Stage 6 on the model: the P2M of a guest of 1 GiB, copied. The model's own work is counted too.
fn revector() {
    let mut built = Domain::guest(1024).build().expect(FITS);
    let (layout, mut tables, mut frames) = mapped(&mut built);
    let moved = built.xen.run(|xen| {
        let p2m = P2m::build(&layout, Strategy::Copy, &mut tables, &mut frames, xen).expect(FITS);
        measured(|| p2m::revector(p2m, &mut tables, &mut frames, xen).is_ok())
    });
    assert!(moved);
}

/// Stages 1 to 4.
fn mapped(built: &mut Built) -> (Layout, Tables, Frames) {
    let Built { xen, start_info, facts, .. } = built;
    xen.run(|xen| {
        let info = BootInfo::parse(start_info, *facts, xen).expect(FITS);
        let layout = Layout::plan(&info).expect(FITS);
        let walked = BootTables::walk(&layout, facts, xen, |_| ()).expect(FITS);
        let mut frames = Frames::new(layout.free());
        let tables = direct_map::build(walked, &layout, facts, &mut frames, xen).expect(FITS);
        (layout, tables, frames)
    })
}

/// Writes an archive of small files, as `cpio -o -H newc` does.
fn newc(files: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let names = (0..files).map(|number| (format!("modules/file{number}"), 500));
    for (name, length) in names.chain([("TRAILER!!!".to_owned(), 0)]) {
        let fields = [1, 0o100_644, 0, 0, 1, 0, length, 0, 0, 0, 0, name.len() + 1, 0];
        bytes.extend(b"070701");
        fields.iter().for_each(|field| bytes.extend(format!("{field:08X}").bytes()));
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.resize((bytes.len() + length).next_multiple_of(4), 0x55);
    }
    bytes
}
