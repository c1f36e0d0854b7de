//! A domain that gives memory back and gets it again: P2M, direct map and allocator against the machine's own books,
//! after each step of random sequences, also where Xen refuses something in the middle.

use crate::support::ballooned::Ballooned;
use crate::support::stages::World;
use proptest::prelude::*;
use pv_memory::balloon::{KEPT, Resized, Short};
use pv_memory::frames::Zone;
use pv_memory::p2m::{Slot, Strategy as Move};
use xen::addr::{Pfn, PfnRange};
use xen_model::Domain;

const STRATEGIES: [Move; 3] = [Move::Copy, Move::Alias, Move::Linear];

#[test]
fn memory_goes_and_comes_back_with_other_frames() {
    for strategy in STRATEGIES {
        let mut domain = Ballooned::new(strategy);
        let before = domain.world.entries();
        assert_eq!(domain.decrease(3000), Resized { pages: 3000, short: None });
        domain.check();
        domain.load();
        assert_eq!(domain.modules.iter().count(), 1);
        domain.check();
        domain.unload();
        assert_eq!(domain.balloon.pages(), 3000);
        assert_eq!(domain.increase(1000), Resized { pages: 1000, short: None });
        domain.check();
        assert_eq!(domain.increase(5000), Resized { pages: 2000, short: Some(Short::AllBacked) });
        domain.check();
        let now = domain.world.entries();
        assert!(now.iter().all(|word| *word != u64::MAX) && now != before, "other frames");
        domain.end();
    }
}

#[test]
fn a_domain_keeps_what_it_needs_itself() {
    let mut domain = Ballooned::new(Move::Copy);
    let all = domain.world.frames.free_pages();
    let resized = domain.decrease(u64::MAX);
    assert_eq!((resized.short, resized.pages), (Some(Short::InUse), all - KEPT));
    domain.check();
    assert_eq!(domain.increase(all - KEPT), Resized { pages: all - KEPT, short: None });
    domain.check();
    domain.end();
}

#[test]
fn a_domain_grows_beyond_what_it_was_built_with_as_far_as_it_may() {
    for strategy in STRATEGIES {
        let mut domain = Ballooned::new(strategy);
        let built = domain.world.p2m.nr_pages();
        domain.make_room(built + 4000);
        domain.world.built.xen.set_most_pages(built + 2500);
        domain.check();
        assert_eq!(domain.increase(3000), Resized { pages: 2500, short: Some(Short::NotGiven) });
        domain.check();
        assert_eq!(domain.decrease(2500), Resized { pages: 2500, short: None });
        domain.check();
        domain.end();
    }
}

/// Each 2 MiB more takes a page for their leaf where the direct map shows it; 24 MiB have few of those.
#[test]
fn a_small_domain_grows_a_hundredfold() {
    for strategy in STRATEGIES {
        let mut domain = Ballooned::new(strategy);
        let World { tables, frames, .. } = &mut domain.world;
        while let more @ 401.. = frames.pages_shown(tables.window()) {
            let taken = frames.take_up_to(Zone::Mapped(tables.window()), more - 400).unwrap();
            domain.pages -= taken.pages().pages();
        }
        let pages = 3 << 18;
        domain.make_room(pages);
        assert_eq!(domain.world.p2m.nr_pages(), pages);
        let more = pages - domain.world.built.start_info.nr_pages;
        assert_eq!(domain.increase(more), Resized { pages: more, short: None });
        domain.area(3000);
        assert_eq!(domain.areas.len(), 1, "there is room for page tables");
        domain.check();
        let most = more - 8000;
        assert_eq!(domain.decrease(most), Resized { pages: most, short: None });
        domain.check();
    }
}

#[test]
fn pages_that_never_had_a_frame_are_the_balloons_too() {
    let hole = PfnRange::new(Pfn::new(5300), 700);
    let domain = Domain { pages: 24 * 256, holes: vec![hole], ..Domain::guest(24) };
    let mut domain = Ballooned::of(&domain, Move::Copy);
    let all = domain.world.frames.free_pages();
    let resized = domain.decrease(u64::MAX);
    assert_eq!((resized.short, resized.pages + 700), (Some(Short::InUse), all - KEPT));
    domain.check();
    assert_eq!(domain.increase(u64::MAX), Resized { pages: all - KEPT, short: Some(Short::AllBacked) });
    domain.check();
    domain.end();
}

#[test]
fn room_that_would_take_what_the_domain_needs_is_refused() {
    let mut domain = Ballooned::new(Move::Linear);
    let before = (domain.world.p2m.nr_pages(), domain.world.frames.free_pages());
    domain.make_room(1 << 31);
    assert_eq!((domain.world.p2m.nr_pages(), domain.world.frames.free_pages()), before);
    domain.check();
}

#[test]
fn a_frame_that_something_still_maps_is_noticed() {
    let mut domain = Ballooned::new(Move::Copy);
    domain.area(1);
    let World { built, p2m, tables, .. } = &domain.world;
    let page = domain.areas[0].span().start();
    let mfn = built.xen.mapping(page).unwrap().mfn;
    let pfn = built.xen.machine().pfn(mfn).unwrap();
    assert_eq!(p2m.get(tables.window(), &built.xen, pfn), Slot::Frame(mfn));
    // The area's page counts as free by mistake: it is given back while it is mapped.
    let run = domain.world.frames.adopt(PfnRange::new(pfn, 1)).unwrap();
    domain.world.frames.give_back(run).unwrap();
    let all = domain.world.frames.free_pages() - KEPT;
    let resized = domain.decrease(all);
    assert_eq!(resized.short, Some(Short::Held { pages: 1 }));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Decrease(u64),
    Increase(u64),
    MakeRoom(u64),
    Area(u64),
    Purge,
    Load,
    Unload,
    Split(u64),
    /// The hypercall after so many others stops at an element.
    Refuse(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u64..2000).prop_map(Step::Decrease),
        3 => (1_u64..2000).prop_map(Step::Increase),
        1 => (0_u64..3000).prop_map(|more| Step::MakeRoom(24 * 256 + more)),
        2 => (1_u64..300).prop_map(Step::Area),
        2 => Just(Step::Purge),
        1 => Just(Step::Load),
        1 => Just(Step::Unload),
        1 => (0_u64..9000).prop_map(Step::Split),
        2 => (0_u64..6, 0_usize..600).prop_map(|(after, element)| Step::Refuse(after, element)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(336))]

    #[test]
    fn whatever_happens_books_and_machine_agree(steps in proptest::collection::vec(step(), 1..14)) {
        for strategy in STRATEGIES {
            let mut domain = Ballooned::new(strategy);
            for step in &steps {
                match *step {
                    Step::Decrease(pages) => drop(domain.decrease(pages)),
                    Step::Increase(pages) => drop(domain.increase(pages)),
                    Step::MakeRoom(pages) => domain.make_room(pages),
                    Step::Area(pages) => domain.area(pages),
                    Step::Purge => domain.purge(),
                    Step::Load => domain.load(),
                    Step::Unload => domain.unload(),
                    Step::Split(pfn) => domain.split(pfn),
                    Step::Refuse(after, element) => domain.refuse(after, element),
                }
                domain.check();
            }
            domain.end();
        }
    }
}
