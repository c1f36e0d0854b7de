//! Domains beyond what a tree of three levels describes, up to 15 TiB: what their boots need of every stage.
//!
//! The model makes up what nobody has written, so each takes milliseconds and some MiB. No stage may take heap that
//! grows with the domain: [`reached`] runs them in a heap of the image's size.

use crate::support;
use crate::support::list_reader::{ListClaim, read_list};
use pv_memory::direct_map;
use pv_memory::frames::Frames;
use pv_memory::layout::{Layout, Name};
use pv_memory::p2m::index::TREE_PAGES;
use pv_memory::tables::Tables;
use pv_memory::walk::{BootTables, Counts};
use xen::addr::{Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, pages_for};
use xen::area;
use xen::start_info::{BootInfo, FieldError, RamdiskPlace};
use xen::verdict::Verdict;
use xen_model::{BuildError, Builder, Built, Domain, Kind, Notes, P2mNote, Ramdisk, RamdiskNote};

/// MiB.
const GIB: u64 = 1 << 10;
const TIB: u64 = 1 << 20;
/// Most heap that the stages before the P2M take: as much as the longest high mapping needs.
const BOUND: usize = 80 << 10;

/// How far a boot gets.
struct Reached {
    layout: Layout,
    counts: Counts,
    frames: Frames,
    tables: Tables,
}

/// Boots up to the direct map.
fn reached(built: &mut Built) -> Reached {
    let Built { xen, start_info, facts, .. } = built;
    xen.run(|xen| {
        let info = BootInfo::parse(start_info, *facts, xen).unwrap();
        let layout = Layout::plan(&info).unwrap();
        let walked = BootTables::walk(&layout, facts, xen, |_| ()).unwrap();
        let counts = walked.counts;
        let mut frames = Frames::new(layout.free());
        if let Some(ramdisk) = layout.ramdisk
            && let RamdiskPlace::Unmapped(first) = ramdisk.place
        {
            frames.reserve(PfnRange::new(first, pages_for(ramdisk.bytes)));
        }
        let tables = direct_map::build(walked, &layout, facts, &mut frames, xen).unwrap();
        Reached { layout, counts, frames, tables }
    })
}

/// Builds a domain, boots it, and looks at it from outside; returns how much heap it took.
fn check(domain: &Domain) -> usize {
    let mut built = domain.build().unwrap();
    let reached = reached(&mut built);
    assert!(domain.pages > TREE_PAGES);
    assert_eq!(built.xen.stale(), None);
    assert!(built.xen.heap_peak() <= BOUND, "{domain:?}: {} bytes of heap", built.xen.heap_peak());
    places_are_the_builders(domain, &built, &reached);
    list_is_whole(&built, &reached);
    direct_map_shows(&built, &reached);
    built.xen.heap_peak()
}

/// Rows, tables and free pages are what the builder made.
fn places_are_the_builders(domain: &Domain, built: &Built, reached: &Reached) {
    let Reached { layout, counts, frames, tables } = reached;
    let rows = &built.rows;
    assert_eq!(layout.nr_pages, domain.pages);
    for (name, row) in [
        (Name::Kernel, rows.image),
        (Name::StartInfo, rows.start_info),
        (Name::PageTables, rows.tables),
        (Name::Ramdisk, rows.ramdisk),
    ] {
        assert!(layout.pages(name) == row || row.is_empty(), "{name}: {row}");
    }
    assert_eq!(counts.total(), rows.tables.pages());
    let held = rows.image.pages() + rows.ramdisk.pages() + layout.pages(Name::Phys2mach).pages();
    let single = rows.start_info.pages() + rows.store.pages() + rows.console.pages() + rows.stack.pages();
    let taken = held + single + rows.tables.pages() + tables.added() as u64;
    assert_eq!(frames.free_pages() + taken, domain.pages);
}

/// The list's mapping leads to its entries from the first page to the last, whose frame M2P gives back.
fn list_is_whole(built: &Built, reached: &Reached) {
    let Reached { layout, .. } = reached;
    let last = layout.nr_pages - 1;
    for pfn in [0, 1, TREE_PAGES - 1, TREE_PAGES, layout.nr_pages / 2, last - 1, last].map(Pfn::new) {
        let frame = layout.list().frame(&built.xen, pfn);
        assert_eq!(frame, built.xen.machine().mfn(pfn), "{pfn}");
        assert_eq!(layout.list().page_of(&built.xen, frame.unwrap()), Some(pfn));
    }
    for at in [0, layout.mfn_list.bytes - 8].map(|offset| layout.mfn_list.start + offset) {
        let mfn = built.xen.mapping(at).unwrap().mfn;
        assert!(matches!(built.xen.kind(mfn), Some((Kind::Writable, 1..))), "{at:#x}");
    }
}

/// Pages of the initial mapping are in the direct map, and nothing after them.
fn direct_map_shows(built: &Built, reached: &Reached) {
    let rows = &built.rows;
    let mapped = |pfn: Pfn| built.xen.mapping(area::direct(pfn)).map(|mapping| mapping.mfn);
    for pfn in [Pfn::ZERO, rows.image.start, rows.tables.start, Pfn::new(rows.mapped_end.raw() - 1)] {
        assert_eq!(mapped(pfn), built.xen.machine().mfn(pfn), "{pfn}");
    }
    let last = Pfn::new(reached.layout.nr_pages - 1);
    assert_eq!((mapped(rows.mapped_end), mapped(last)), (None, None));
    assert!(area::DIRECT_MAP.contains(area::direct(last)));
}

#[test]
fn domains_of_1_to_15_tib_reach_the_direct_map_whoever_builds_them() {
    for builder in Builder::ALL {
        let heap = [512 * GIB + 1, TIB, 4 * TIB, 15 * TIB, 16 * TIB]
            .map(|mib| check(&Domain { builder, notes: Notes::BOTH, ..Domain::guest(mib) }));
        assert!(heap.iter().all(|used| *used == heap[0]), "{builder:?}: {heap:?} bytes");
        // Neither list nor memory end on a round number, and there is a ramdisk outside the mapping.
        let ramdisk = Some(Ramdisk::blank(300 << 20));
        let pages = (15 << 28) - 12_345;
        check(&Domain { builder, pages, ramdisk, notes: Notes::BOTH, ..Domain::guest(0) });
    }
}

/// Boots to the end, by the strategy that such domains have without being asked; then the toolstack reads the list, if it
/// is mapped by small pages. (`checks::cleaned` looks at each page and each entry: that is for domains of some GiB.)
fn boots(domain: &Domain, line: &str) {
    let mut built = domain.build().unwrap();
    support::boot(&mut built, line).unwrap_or_else(|error| panic!("{domain:?}: {error}"));
    assert_eq!(built.xen.stale(), None);
    let published = built.xen.published().unwrap();
    assert_eq!((published.entries, published.frame_list), (domain.pages, None));
    let large =
        matches!(domain.builder, Builder::Xen | Builder::Shim) && domain.notes.p2m == P2mNote::InitP2m;
    assert_eq!(published.list.is_none(), large, "{domain:?}");
    if !large {
        let read = read_list(&built.xen).unwrap();
        assert_eq!(read.pages, domain.pages);
        let list = built.rows.list_runs().flat_map(PfnRange::iter).map(|pfn| built.xen.machine().mfn(pfn));
        assert!(read.leaves.iter().copied().map(Some).eq(list));
    }
}

#[test]
fn domains_of_1_to_15_tib_boot_whoever_builds_them() {
    for builder in Builder::ALL {
        for mib in [512 * GIB + 1, TIB, 4 * TIB, 15 * TIB] {
            let domain = Domain { builder, notes: Notes::BOTH, ..Domain::guest(mib) };
            boots(&domain, if mib < TIB { "verify=sample" } else { "verify=off" });
        }
        boots(&Domain { builder, ..Domain::guest(900 * GIB) }, "p2m=linear verify=off");
    }
}

#[test]
fn strategies_that_need_a_tree_say_why_they_cannot() {
    for line in ["p2m=copy", "p2m=alias", "p2m=baseline", "p2m=keep"] {
        let mut built = Domain { notes: Notes::BOTH, ..Domain::guest(TIB) }.build().unwrap();
        let error = support::boot(&mut built, line).unwrap_err().to_string();
        assert!(
            error.contains("0x10000000 pages (1024 GiB): expected 0x8000000 (512 GiB) or fewer"),
            "{error}"
        );
        assert!(error.contains("p2m=linear"), "{error}");
    }
}

#[test]
fn without_the_note_they_do_up_to_900_gib() {
    for builder in Builder::ALL {
        for mib in [513 * GIB, 900 * GIB] {
            check(&Domain { builder, ..Domain::guest(mib) });
        }
        let notes = Notes { p2m: P2mNote::None, ramdisk: RamdiskNote::ModStartPfn };
        check(&Domain { builder, notes, ramdisk: Some(Ramdisk::blank(1 << 20)), ..Domain::guest(900 * GIB) });
    }
}

#[test]
fn without_the_note_the_high_mapping_ends_before_1_tib() {
    for builder in Builder::ALL {
        let domain = |gib: u64| Domain { builder, ..Domain::guest(gib * GIB) };
        assert_eq!(domain(1024).rows().unwrap_err(), BuildError::NoAddresses);
        let largest = (900..1024).rev().find(|gib| domain(*gib).rows().is_ok()).unwrap();
        assert!((1010..1014).contains(&largest), "{builder:?}: {largest} GiB");
        // The last 16 MiB of addresses are no part of the module area, and no list may reach into them.
        let mut built = domain(largest).build().unwrap();
        let error = parse(&mut built).unwrap_err();
        assert_eq!((error.field, error.verdict()), ("mfn_list", Verdict::Skip), "{error}");
        assert!(error.to_string().contains("INIT_P2M"), "{error}");
        // The largest list that is possible: the mapping ends somewhere in its last slots.
        let most = area::high_pfn(VirtAddr::new(area::MODULES.end_raw()));
        let fits = |mib: &u64| {
            let rows = Domain { builder, ..Domain::guest(*mib) }.rows();
            rows.is_ok_and(|rows| rows.list.end <= most)
        };
        for mib in (1007 * GIB..1012 * GIB).rev().step_by(7).filter(fits).take(2) {
            check(&Domain { builder, ..Domain::guest(mib) });
        }
    }
}

fn parse(built: &mut Built) -> Result<BootInfo, FieldError> {
    let Built { xen, start_info, facts, .. } = built;
    xen.run(|xen| BootInfo::parse(start_info, *facts, xen))
}

#[test]
fn a_list_that_would_reach_into_an_area_of_the_kernels_is_refused() {
    let mut built = Domain { notes: Notes::BOTH, ..Domain::guest(15 * TIB) }.build().unwrap();
    // It ends in the last of the direct map's slots, in the first of Xen's, and after the lower half.
    let bytes = built.start_info.nr_pages * 8;
    for end in [area::DIRECT_MAP.end_raw(), area::XEN.start.as_u64() + PAGE_SIZE, (1 << 47) + PAGE_SIZE] {
        built.start_info.mfn_list = VirtAddr::new_truncate(end.wrapping_sub(bytes)).as_u64();
        let error = parse(&mut built).unwrap_err();
        assert_eq!(error.field, "mfn_list", "{end:#x}");
    }
}

/// What a linear list is for: the toolstack finds all pages through the builder's own tables, if they map small pages.
#[test]
fn the_toolstack_reads_the_builders_own_mapping_of_15_tib() {
    let at = 1 << 39;
    for builder in [Builder::Toolstack, Builder::Grub] {
        let built = Domain { builder, notes: Notes::BOTH, ..Domain::guest(15 * TIB) }.build().unwrap();
        let claim = ListClaim { root: built.xen.root(), at, entries: built.start_info.nr_pages };
        let read = claim.walk(&built.xen).unwrap();
        read.check(&built.xen).unwrap();
        let leaves = read.leaves;
        let list = built.rows.list_runs().flat_map(PfnRange::iter);
        assert!(leaves.iter().copied().map(Some).eq(list.map(|pfn| built.xen.machine().mfn(pfn))));
        // Were it 2 MiB further, the last of its slots would be lost without a word.
        let later = ListClaim { at: at + (2 << 20), entries: claim.entries - (1 << 18), ..claim };
        assert_eq!(later.walk(&built.xen).unwrap().leaves, leaves[512..leaves.len() - 512]);
    }
    let built = Domain { builder: Builder::Xen, notes: Notes::BOTH, ..Domain::guest(TIB) }.build().unwrap();
    let claim = ListClaim { root: built.xen.root(), at, entries: built.start_info.nr_pages };
    let wrong = claim.walk(&built.xen).and_then(|read| read.check(&built.xen));
    assert!(wrong.is_err(), "the toolstack takes pages of the list for page tables");
}

#[test]
fn frames_above_16_tib_are_frames_like_any_other() {
    let first_mfn = Mfn::new(1 << 34);
    check(&Domain { first_mfn, notes: Notes::BOTH, ..Domain::guest(4 * TIB) });
}
