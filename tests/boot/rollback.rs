//! A stage that Xen refuses in the middle leaves everything as it was: each page table, each page's type, each frame.
//!
//! Xen stops at the first bad element with those in front of it done. Every element of every batch is refused in
//! turn here, on the model, and the whole domain is compared with a picture taken before.

use crate::support::stages::{self, Planted};
use crate::support::walk::{Leaf, Walk};
use pv_memory::commit::{MmuError, Undone};
use pv_memory::direct_map;
use pv_memory::error::MmError;
use pv_memory::frames::{Frames, Zone};
use pv_memory::layout::Layout;
use pv_memory::p2m::Strategy;
use pv_memory::p2m::{self, P2m};
use pv_memory::vmalloc::{Near, Vmalloc};
use pv_memory::walk::BootTables;
use xen::Errno;
use xen::addr::Pfn;
use xen::start_info::BootInfo;
use xen_model::{Built, Domain, Kind, Notes, Ramdisk, Refusal, Xen};

/// Everything that Xen keeps of a domain.
#[derive(Debug, PartialEq, Eq)]
struct Picture {
    leaves: Vec<Leaf>,
    entries: Vec<(u64, u32)>,
    types: Vec<Option<Kind>>,
}

impl Picture {
    fn of(xen: &Xen) -> Self {
        let Walk { leaves, nonzero: entries, .. } = Walk::of(xen);
        let frames = (0..xen.machine().pages()).map(|pfn| xen.machine().mfn(Pfn::new(pfn)));
        // A frame that nothing maps keeps the type it had last: that is no use of it.
        let in_use = |(kind, count): (Kind, u64)| (count > 0).then_some(kind);
        let types = frames.map(|mfn| mfn.and_then(|mfn| xen.kind(mfn)).and_then(in_use)).collect();
        Self { leaves, entries, types }
    }
}

fn domain() -> Domain {
    Domain { ramdisk: Some(Ramdisk::blank(10_000)), ..Domain::guest(64) }
}

/// What `stage` leads to when element `element` of its next hypercall is refused.
fn refuse(xen: &mut Xen, element: usize) {
    let hypercall = xen.issued();
    xen.refuse(Refusal { hypercall, element, errno: Errno::EINVAL });
}

fn refused(error: MmError) -> (usize, usize, Undone) {
    match error {
        MmError::Mmu(MmuError::Refused { element, of, undone, .. }) => (element, of, undone),
        other => panic!("{other}"),
    }
}

/// Refuses element after element until the last was refused; returns how many there were.
fn each_element(mut attempt: impl FnMut(usize) -> MmError) -> usize {
    let mut element = 0;
    loop {
        let (at, of, undone) = refused(attempt(element));
        assert_eq!((at, undone), (element, Undone::All));
        element += 1;
        if element == of {
            return of;
        }
    }
}

/// Stage 4 with an element refused; `frames` is what was free before and after.
fn build_direct_map(domain: &Domain, element: usize) -> MmError {
    let mut built = domain.build().unwrap();
    let info = BootInfo::parse(&built.start_info, built.facts, &built.xen).unwrap();
    let layout = Layout::plan(&info).unwrap();
    let walked = BootTables::walk(&layout, &built.facts, &mut built.xen, |_| ()).unwrap();
    let mut frames = Frames::new(layout.free());
    let (before, free) = (Picture::of(&built.xen), frames.free_pages());
    refuse(&mut built.xen, element);
    let Built { xen, facts, .. } = &mut built;
    let error = xen.run(|xen| direct_map::build(walked, &layout, facts, &mut frames, xen)).unwrap_err();
    assert_eq!(frames.free_pages(), free);
    assert!(Picture::of(&built.xen) == before, "element {element}");
    error
}

#[test]
fn a_direct_map_refused_anywhere_leaves_the_builders_tables() {
    let apart = Domain { notes: Notes::BOTH, ..domain() };
    for domain in [domain(), apart] {
        assert!(each_element(|element| build_direct_map(&domain, element)) > 100);
    }
}

fn copy(element: usize) -> MmError {
    let mut planted = stages::plant(&domain());
    let (before, free) = (Picture::of(&planted.built.xen), planted.frames.free_pages());
    refuse(&mut planted.built.xen, element);
    let failed = planted.revector(Strategy::Copy).unwrap_err();
    assert_eq!(failed.frames.free_pages(), free);
    assert!(Picture::of(&failed.built.xen) == before, "element {element}");
    failed.error
}

#[test]
fn a_new_list_refused_anywhere_leaves_the_old_one_and_every_frame() {
    assert!(each_element(copy) >= 2);
}

#[test]
fn a_cleanup_refused_anywhere_leaves_the_high_mapping() {
    let elements = each_element(|element| {
        let mut world = stages::moved(&domain(), Strategy::Copy);
        let (before, free) = (Picture::of(&world.built.xen), world.frames.free_pages());
        refuse(&mut world.built.xen, element);
        let (image, retired) = (world.built.facts.image, world.retired.take().unwrap());
        let outcome = world.run(|memory, xen| retired.clean(image, memory, xen));
        let error = outcome.unwrap_err();
        assert_eq!(world.frames.free_pages(), free);
        assert!(Picture::of(&world.built.xen) == before, "element {element}");
        error
    });
    assert!(elements > 8);
}

#[test]
fn a_cleanup_counts_what_it_changed() {
    let mut world = stages::moved(&domain(), Strategy::Copy);
    let before = Picture::of(&world.built.xen).entries;
    let (image, retired) = (world.built.facts.image, world.retired.take().unwrap());
    let done = world.run(|memory, xen| retired.clean(image, memory, xen));
    let after = Picture::of(&world.built.xen).entries;
    let gone =
        |level| before.iter().filter(|entry| entry.1 == level && !after.contains(entry)).count() as u64;
    let cleaned = done.unwrap().1;
    assert!(cleaned.slots > 5 && cleaned.pages > 10, "{cleaned:?}");
    assert_eq!((cleaned.slots, cleaned.slots * 512 + cleaned.pages), (gone(2), gone(1)));
}

#[test]
fn an_area_refused_anywhere_leaves_nothing_mapped_and_every_frame() {
    let mut world = stages::moved(&domain(), Strategy::Copy);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    for place in [Near::Nothing, Near::Kernel] {
        let elements = each_element(|element| {
            let (before, free) = (Picture::of(&world.built.xen), world.frames.free_pages());
            refuse(&mut world.built.xen, element);
            let outcome = world.run(|memory, xen| vmalloc.allocate(place, 600, memory, xen));
            let error = outcome.unwrap_err();
            assert_eq!(world.frames.free_pages(), free);
            assert!(Picture::of(&world.built.xen) == before, "{place:?}, element {element}");
            error
        });
        assert!(elements >= 4);
    }
    assert_eq!(vmalloc.areas(), 0);
}

#[test]
fn memory_that_ends_while_tables_are_made_gives_those_back_that_were() {
    let mut world = stages::moved(&domain(), Strategy::Copy);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    // Enough for the pages of the area and the first of its two new tables, not for the second.
    let mut held = Vec::new();
    while world.frames.free_pages() > 601 {
        let most = world.frames.free_pages() - 601;
        held.push(world.frames.take_up_to(Zone::Far(world.tables.window()), most));
    }
    let before = Picture::of(&world.built.xen);
    let error = world.run(|memory, xen| vmalloc.allocate(Near::Kernel, 600, memory, xen)).unwrap_err();
    assert!(matches!(error, MmError::Frames(_)), "{error}");
    assert_eq!(world.frames.free_pages(), 601);
    assert!(Picture::of(&world.built.xen) == before);
}

#[test]
fn pages_that_could_not_be_unmapped_again_are_never_handed_out() {
    let mut planted = stages::plant(&domain());
    let free = planted.frames.free_pages();
    let hypercall = planted.built.xen.issued();
    planted.built.xen.refuse(Refusal { hypercall, element: 1, errno: Errno::EINVAL });
    planted.built.xen.refuse(Refusal { hypercall: hypercall + 1, element: 0, errno: Errno::ENOMEM });
    let Planted { mut built, mut tables, mut frames, p2m, .. } = planted;
    let outcome = built.xen.run(|xen| p2m::revector(p2m, Strategy::Copy, &mut tables, &mut frames, xen));
    let error = outcome.unwrap_err();
    assert_eq!(refused(error).2, Undone::Failed(Errno::ENOMEM));
    assert!(error.to_string().contains("EINVAL") && error.to_string().ends_with("ENOMEM"), "{error}");
    assert!(frames.free_pages() < free);
}

/// What was in force for a moment may be remembered, also if Xen takes back only a part of it.
#[test]
fn an_undo_that_is_refused_too_is_followed_by_a_flush() {
    let mut world = stages::moved(&domain(), Strategy::Copy);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    world.run(|memory, xen| {
        drop(vmalloc.allocate(Near::Kernel, 3, memory, xen).unwrap());
        let (asked, hypercall) = (xen.flushes_asked(), xen.issued());
        xen.refuse(Refusal { hypercall, element: 2, errno: Errno::EINVAL });
        xen.refuse(Refusal { hypercall: hypercall + 1, element: 1, errno: Errno::EINVAL });
        let (.., undone) = refused(vmalloc.purge(memory, xen).unwrap_err());
        assert_eq!(undone, Undone::Failed(Errno::EINVAL));
        assert_eq!(xen.flushes_asked() - asked, 1);
    });
}

/// The comparison can fail.
#[test]
fn the_picture_of_a_domain_changes_when_a_stage_is_not_refused() {
    let planted = stages::plant(&domain());
    let before = Picture::of(&planted.built.xen);
    let world = planted.revector(Strategy::Copy).unwrap_or_else(|failed| panic!("{}", failed.error));
    assert!(Picture::of(&world.built.xen) != before);
    let _: &P2m<_> = &world.p2m;
}
