//! The P2M tree against a flat map: the same random changes on both, compared entry by entry, by the tree's own
//! lookup and by the toolstack's walk.

use std::collections::BTreeMap;

use crate::support::stages::{drain, plant, plant_for};
use crate::support::toolstack;
use proptest::prelude::*;
use pv_memory::p2m::Strategy as Move;
use pv_memory::p2m::verify::Verify;
use pv_memory::p2m::{Physmap, Slot};
use pv_memory::tables::Tables;
use xen::addr::{Mfn, Pfn, PfnRange};
use xen_model::{Built, Domain};

/// Pages of the domain: its last leaf is used in part.
const PAGES: u64 = 64 * 256 + 3;
/// After everything that the builder places.
const FREE: u64 = 0x1800;

/// One change, at a page after the builder's.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// One page.
    Set(u64, Slot),
    /// All pages of a leaf.
    Leaf(u64, Slot),
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![
        (1_u64..1 << 40).prop_map(|mfn| Slot::Frame(Mfn::new(mfn))),
        Just(Slot::Missing),
        Just(Slot::Identity),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (FREE..PAGES, slot()).prop_map(|(pfn, slot)| Step::Set(pfn, slot)),
        1 => (FREE / 512..PAGES / 512, slot()).prop_map(|(leaf, slot)| Step::Leaf(leaf, slot)),
    ]
}

impl Step {
    fn pages(self) -> std::ops::Range<u64> {
        match self {
            Self::Set(pfn, _) => pfn..pfn + 1,
            Self::Leaf(leaf, _) => leaf * 512..leaf * 512 + 512,
        }
    }

    const fn slot(self) -> Slot {
        match self {
            Self::Set(_, slot) | Self::Leaf(_, slot) => slot,
        }
    }
}

/// A flat map of the builder's list.
fn naive(built: &Built) -> BTreeMap<u64, Slot> {
    let slot = |pfn| built.xen.machine().mfn(Pfn::new(pfn)).map_or(Slot::Missing, Slot::Frame);
    (0..PAGES).map(|pfn| (pfn, slot(pfn))).collect()
}

fn compare(p2m: &Physmap, tables: &Tables, built: &Built, naive: &BTreeMap<u64, Slot>) {
    assert_eq!(p2m.nr_pages(), PAGES);
    for (pfn, expected) in naive {
        let (pfn, window) = (Pfn::new(*pfn), tables.window());
        assert_eq!(p2m.get(window, &built.xen, pfn), *expected, "{pfn}");
        let frame = if let Slot::Frame(mfn) = expected { Some(*mfn) } else { None };
        assert_eq!(p2m.frame(window, &built.xen, pfn), frame, "{pfn}");
    }
    for pfn in [PAGES, PAGES + 1, 1 << 27, u64::MAX >> 1] {
        assert_eq!(p2m.get(tables.window(), &built.xen, Pfn::new(pfn)), Slot::Missing);
    }
    let saved = toolstack::map_p2m(&built.xen).unwrap();
    for (pfn, word) in (0..).zip(saved.p2m) {
        let expected = match naive[&pfn] {
            Slot::Frame(mfn) => mfn.raw(),
            Slot::Missing | Slot::Identity => u64::MAX,
        };
        assert_eq!(word, expected, "the toolstack's entry of pfn {pfn:#x}");
    }
}

fn domain(hole: u64) -> Domain {
    let holes = vec![PfnRange::new(Pfn::new(FREE + hole), 1300)];
    Domain { pages: PAGES, holes, ..Domain::guest(64) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn the_tree_is_a_flat_map_before_and_after_it_moves(
        hole in 0_u64..2000,
        strategy in prop_oneof![Just(Move::Copy), Just(Move::Alias), Just(Move::Linear)],
        before in proptest::collection::vec(step(), 0..12),
        after in proptest::collection::vec(step(), 0..12),
    ) {
        let mut planted = plant_for(&domain(hole), strategy);
        let mut naive = naive(&planted.built);
        // The boot goes on with these pages: a made-up frame cannot be mapped, so they keep theirs or none.
        for step in before.iter().flat_map(|step| step.pages().map(|pfn| (pfn, step.slot()))) {
            let own = planted.built.xen.machine().mfn(Pfn::new(step.0)).map_or(Slot::Missing, Slot::Frame);
            let slot = if matches!(step.1, Slot::Frame(_)) { own } else { step.1 };
            planted.set(Pfn::new(step.0), slot).unwrap();
            naive.insert(step.0, slot);
        }
        compare(&planted.p2m, &planted.tables, &planted.built, &naive);
        let mut world = planted.revector().unwrap();
        compare(&world.p2m, &world.tables, &world.built, &naive);
        for (pfn, slot) in after.iter().flat_map(|step| step.pages().map(|pfn| (pfn, step.slot()))) {
            world.set(Pfn::new(pfn), slot).unwrap();
            naive.insert(pfn, slot);
        }
        compare(&world.p2m, &world.tables, &world.built, &naive);
        world.clean();
        compare(&world.p2m, &world.tables, &world.built, &naive);
    }
}

#[test]
fn a_range_of_identity_pages_takes_no_memory_at_all() {
    let mut planted = plant(&Domain { holes: vec![PfnRange::new(Pfn::new(FREE), 4096)], ..domain(0) });
    let free = planted.frames.free_pages();
    for pfn in (FREE..FREE + 4096).map(Pfn::new) {
        planted.set(pfn, Slot::Identity).unwrap();
    }
    assert_eq!(planted.frames.free_pages(), free);
    assert_eq!(planted.p2m.get(planted.tables.window(), &planted.built.xen, Pfn::new(FREE)), Slot::Identity);
}

#[test]
fn a_leaf_split_off_before_the_move_is_given_back_by_it() {
    let mut planted = plant(&domain(0));
    let rows = planted.built.rows.clone();
    let hole = planted.built.xen.machine().holes()[0];
    let filled = Slot::Frame(planted.built.xen.machine().mfn(rows.mapped_end).unwrap());
    let inside = Pfn::new(hole.start.raw().next_multiple_of(512) + 5);
    planted.set(inside, filled).unwrap();
    let mut world = planted.revector().unwrap();
    let (_, freed) = world.clean();
    let saved = toolstack::map_p2m(&world.built.xen).unwrap();
    let leaves: std::collections::BTreeSet<_> = saved.leaves.iter().map(|leaf| leaf.raw()).collect();
    // One shared leaf for the wholly missing ones; all others are pages of the new list.
    let used =
        16384 + 3 - drain(&mut world.frames, &world.tables).len() as u64 - world.frames.discarded_pages();
    let kept: u64 = [rows.image, rows.start_info, rows.store, rows.console, rows.tables, rows.stack]
        .iter()
        .map(|row| row.pages())
        .sum();
    let new = leaves.len() as u64 - 1;
    assert_eq!(freed, rows.list.pages());
    // The builder's L2 table was given back: a new one has taken its place.
    assert_eq!(used, kept - 1 + world.tables.added() as u64 + world.p2m.own_pages() + new);
}

#[test]
fn a_leaf_that_the_toolstack_would_not_find_is_noticed_wherever_it_is() {
    let pages = (1 << 18) + 5000;
    for leaf in [0, 1, 511, 512, 520] {
        let mut planted = plant(&Domain { pages, ..Domain::guest(64) });
        let (tables, xen) = (&planted.tables, &mut planted.built.xen);
        let good = planted.p2m.verify(tables, xen, Verify::Full);
        assert!(good.is_good(), "{good}");
        assert_eq!((good.entries, good.leaves, good.found), (pages, 522, 522));
        let top = xen.published().unwrap().frame_list.unwrap();
        let mid = Mfn::new(xen.frame(top)[leaf / 512]);
        let other = xen.frame(mid)[(leaf + 1) % 8];
        xen.frame_mut(mid)[leaf % 512] = other;
        let seen = planted.p2m.verify(tables, xen, Verify::Full);
        assert_eq!((seen.is_good(), seen.found), (false, 521), "leaf {leaf}: {seen}");
    }
}
