//! The list in address space: what lookups and the toolstack read of it, and how it grows.

use std::cell::RefCell;

use crate::support::list_reader::{ListClaim, read_list};
use crate::support::stages::{World, moved};
use crate::support::toolstack;
use crate::support::walk::Walk;
use crate::support::{self, checks};
use proptest::prelude::*;
use pv_memory::error::MmError;
use pv_memory::p2m::verify::{Shown, Verify};
use pv_memory::p2m::{Slot, Strategy as Move};
use pv_memory::resources::Resources;
use xen::addr::{Mfn, Pfn};
use xen::area;
use xen::pte::Level;
use xen::{Platform, PublishedList};
use xen_model::{Builder, Domain, Notes, Xen};

/// Pages of the domain: its last leaf is used in part.
pub(super) const PAGES: u64 = 64 * 256 + 3;

pub(super) fn domain() -> Domain {
    Domain { pages: PAGES, ..Domain::guest(64) }
}

pub(super) fn linear(domain: &Domain) -> World {
    let mut world = moved(domain, Move::Linear);
    world.clean();
    world
}

impl World {
    pub(super) fn grow(&mut self, pages: u64) -> Result<(), MmError> {
        let Self { built, tables, frames, p2m, .. } = self;
        built.xen.run(|xen| p2m.grow(pages, &mut Resources { tables, frames }, xen))
    }

    /// What lookups say, from page 0 on.
    pub(super) fn entries(&self) -> Vec<u64> {
        let get = |pfn| self.p2m.get(self.tables.window(), &self.built.xen, Pfn::new(pfn));
        let word = |slot| if let Slot::Frame(mfn) = slot { mfn.raw() } else { u64::MAX };
        (0..self.p2m.nr_pages()).map(|pfn| word(get(pfn))).collect()
    }
}

/// Both of the toolstack's readers have what lookups say.
pub(super) fn assert_read(world: &World) {
    let (own, xen) = (world.entries(), &world.built.xen);
    let read = read_list(xen).unwrap();
    assert!(read.p2m(xen) == own, "the list: {} pages of {}", read.pages, own.len());
    assert!(toolstack::map_p2m(xen).unwrap().p2m == own, "the frame list");
    assert_eq!(xen.generation() % 2, 0);
}

#[test]
fn a_boot_by_the_list_succeeds_and_leaves_the_high_mapping_clean() {
    for builder in [Builder::Toolstack, Builder::Xen] {
        for notes in [Domain::guest(64).notes, Notes::BOTH] {
            let domain = Domain { builder, notes, ..domain() };
            let mut built = domain.build().unwrap();
            support::boot(&mut built, "p2m=linear").unwrap();
            if notes == Notes::BOTH {
                checks::cleaned_but_for_the_list(&built);
            } else {
                checks::cleaned(&built);
            }
        }
    }
}

#[test]
fn a_boot_that_grows_its_p2m_in_the_end_leaves_it_to_both_readers() {
    for strategy in ["copy", "alias", "linear"] {
        let mut built = domain().build().unwrap();
        support::boot(&mut built, &format!("p2m={strategy} selftest=grown")).unwrap();
        let p2m = toolstack::map_p2m(&built.xen).unwrap().p2m;
        assert_eq!(p2m.len() as u64, PAGES + 300_007);
        assert_eq!(p2m.iter().filter(|word| **word != u64::MAX).count() as u64, PAGES);
        assert_ne!(p2m.last(), Some(&u64::MAX));
        if strategy == "linear" {
            assert!(read_list(&built.xen).unwrap().p2m(&built.xen) == p2m);
        }
    }
}

#[test]
fn limits_are_measured_wherever_the_list_is() {
    for notes in [Domain::guest(64).notes, Notes::BOTH] {
        for strategy in ["copy", "alias", "linear", "keep"] {
            let mut built = Domain { notes, ..domain() }.build().unwrap();
            support::boot(&mut built, &format!("p2m={strategy} limits=on")).unwrap();
        }
    }
}

#[test]
fn a_list_that_ends_anywhere_in_a_slot_and_a_gib_is_read_whole() {
    for (mib, extra) in [(64, 0), (899, 1), (1024, 0), (1280, 511), (3584, 0), (3992, 1)] {
        let world = linear(&Domain { pages: mib * 256 + extra, ..Domain::guest(mib) });
        assert_read(&world);
        let seen = world.p2m.verify(&world.tables, &world.built.xen, Verify::Full);
        assert!(seen.is_good() && seen.shown == Shown::Both, "{seen}");
    }
}

/// The control: published where the direct map shows it, the list is read in part, or not at all.
#[test]
fn a_list_published_at_its_direct_map_address_loses_pages() {
    let mut lost = vec![];
    for mib in [64, 1280, 3584] {
        let mut world = linear(&Domain::guest(mib));
        let first = world.p2m.list_pages()[0].start;
        let mut published = world.built.xen.published().unwrap();
        published.list = published.list.map(|list| PublishedList { at: area::direct(first), ..list });
        world.built.xen.publish_p2m(published);
        let (leaves, offset) = (mib / 2, first.raw() % 512);
        let slots = (offset + leaves).div_ceil(512);
        let read = ListClaim::published(&world.built.xen).and_then(|claim| claim.walk(&world.built.xen));
        let read = read.map_or(0, |read| read.pages);
        assert_eq!(read, (leaves * 512).min((slots - 1) * 512 * 512), "{mib} MiB");
        lost.push(mib * 256 - read);
    }
    assert_eq!(lost, [16384, 65536, 0]);
}

#[test]
fn a_list_with_a_mapping_of_its_own_stays_there_and_is_published_if_its_pages_are_small() {
    for (builder, published) in [(Builder::Toolstack, true), (Builder::Xen, false)] {
        let world = linear(&Domain { builder, notes: Notes::BOTH, ..Domain::guest(2048) });
        let list = world.layout.mfn_list.start;
        assert_eq!(world.p2m.published_list(), published.then_some(list), "{builder:?}");
        assert_eq!(world.built.xen.published().unwrap().list.map(|list| list.at), published.then_some(list));
        let seen = world.p2m.verify(&world.tables, &world.built.xen, Verify::Full);
        assert!(seen.is_good(), "{seen}");
        assert!(toolstack::map_p2m(&world.built.xen).unwrap().p2m == world.entries());
    }
}

thread_local! {
    /// The leaves that the toolstack would find, when it was last looked.
    static SEEN: RefCell<Option<Vec<Mfn>>> = const { RefCell::new(None) };
}

/// Whenever the mapping has changed, the generation says so.
fn generation_is_odd_while_the_mapping_changes(xen: &Xen, _: xen_model::Event) {
    let read = ListClaim::published(xen).and_then(|claim| claim.walk(xen));
    let frames = read.map_or_else(|_| Vec::new(), |read| read.leaves);
    let before = SEEN.replace(Some(frames.clone()));
    if before.is_some_and(|before| before != frames) {
        assert_eq!(xen.generation() % 2, 1, "the mapping has changed, and nobody was warned");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Grow(u64),
    Set(u64, Slot),
}

fn step() -> impl Strategy<Value = Step> {
    let slot = prop_oneof![
        3 => (1_u64..1 << 40).prop_map(|mfn| Slot::Frame(Mfn::new(mfn))),
        1 => Just(Slot::Missing),
        1 => Just(Slot::Identity),
    ];
    prop_oneof![
        1 => (1_u64..20_000).prop_map(Step::Grow),
        6 => (0_u64..1 << 20, slot).prop_map(|(pfn, slot)| Step::Set(pfn, slot)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn a_p2m_that_grows_is_a_flat_map(
        strategy in prop_oneof![Just(Move::Linear), Just(Move::Alias), Just(Move::Copy)],
        notes in prop_oneof![Just(Domain::guest(64).notes), Just(Notes::BOTH)],
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let mut world = moved(&Domain { notes, ..domain() }, strategy);
        world.clean();
        let mut flat = world.entries();
        SEEN.take();
        world.built.xen.watch(generation_is_odd_while_the_mapping_changes);
        for step in steps {
            match step {
                Step::Grow(pages) => {
                    world.grow(flat.len() as u64 + pages).unwrap();
                    flat.resize(flat.len() + pages as usize, u64::MAX);
                }
                // The builder's pages keep their frames: the kernel goes on living in them.
                Step::Set(pfn, slot) => {
                    let pfn = 0x1800 + pfn % (flat.len() as u64 - 0x1800);
                    world.set(Pfn::new(pfn), slot).unwrap();
                    flat[pfn as usize] = if let Slot::Frame(mfn) = slot { mfn.raw() } else { u64::MAX };
                }
            }
        }
        prop_assert!(world.entries() == flat);
        prop_assert!(toolstack::map_p2m(&world.built.xen).unwrap().p2m == flat);
        if strategy == Move::Linear {
            prop_assert!(read_list(&world.built.xen).unwrap().p2m(&world.built.xen) == flat);
        }
    }
}

/// Tools map leaves writable, so one that is a page table would be refused to them.
#[test]
fn no_leaf_of_a_list_is_a_page_table_and_holes_are_read_only() {
    let mut world = linear(&domain());
    world.grow(PAGES + 5000).unwrap();
    let read = read_list(&world.built.xen).unwrap();
    let tables: Vec<Mfn> = Walk::of(&world.built.xen).tables.keys().copied().collect();
    assert!(read.leaves.iter().all(|leaf| !tables.contains(leaf)));
    let at = world.p2m.published_list().unwrap();
    let hole = at + (PAGES + 4000) / 512 * 4096;
    let entry = |at| world.tables.leaf(&world.built.xen, at).unwrap().map(|(_, entry)| entry);
    let shown = entry(hole).unwrap();
    assert!(shown.is_present() && !shown.is_writable() && !shown.is_executable());
    // The direct map's table, in whose place the list's own is, shows other pages there.
    let after = at + (PAGES + 5000).div_ceil(512) * 4096;
    for other in [after, at - 4096] {
        assert!(entry(other).is_none_or(|entry| entry.is_zero()), "{other:#x}");
    }
}

#[test]
fn a_list_grows_to_terabytes_in_a_heap_of_an_image_and_ends_at_16_tib() {
    let mut world = linear(&domain());
    world.grow(2 << 28).unwrap();
    let read = read_list(&world.built.xen).unwrap();
    assert_eq!((read.pages, read.leaves.len()), (2 << 28, 1 << 20));
    // Memory for page tables runs out: it describes as many pages as before.
    let error = world.grow(16 << 28).unwrap_err();
    assert!(matches!(error, MmError::Frames(_)), "{error}");
    assert_eq!((world.p2m.nr_pages(), world.built.xen.published().unwrap().entries), (2 << 28, 2 << 28));
    assert_eq!(read_list(&world.built.xen).unwrap().leaves, read.leaves);
    let most = xen::start_info::MAX_PAGES;
    assert_eq!(world.grow(most + 1), Err(MmError::TooManyPages { pages: most + 1, most }));
}

#[test]
fn a_leaf_that_the_list_shows_in_anothers_place_is_noticed() {
    let mut world = linear(&domain());
    let at = world.p2m.published_list().unwrap();
    let table = world.built.xen.table_at(at, Level::L1).unwrap();
    let entries = world.built.xen.frame_mut(table);
    entries.swap(Level::L1.index(at), Level::L1.index(at) + 1);
    let seen = world.p2m.verify(&world.tables, &world.built.xen, Verify::Full);
    assert_eq!((seen.is_good(), seen.leaves - seen.found), (false, 2), "{seen}");
}

#[test]
fn a_tree_does_not_grow_beyond_512_gib_and_a_list_leaves_its_frame_list_there() {
    let beyond = (1 << 27) + 1;
    let mut world = moved(&domain(), Move::Alias);
    let too_many = MmError::TooManyPages { pages: beyond, most: 1 << 27 };
    assert_eq!(world.grow(beyond), Err(too_many));
    assert!(too_many.to_string().contains("use p2m=linear"), "{too_many}");
    let mut world = linear(&domain());
    world.grow(beyond).unwrap();
    let published = world.built.xen.published().unwrap();
    assert_eq!((published.entries, published.frame_list), (beyond, None));
    world.set(Pfn::new(beyond - 1), Slot::Frame(Mfn::new(7))).unwrap();
    let leaves = read_list(&world.built.xen).unwrap().leaves;
    assert_eq!(leaves.len() as u64, (1 << 18) + 1);
    assert_eq!(world.built.xen.frame(leaves[1 << 18])[0], 7);
}
