//! A domain that gives memory back and gets it again: P2M, direct map and allocator against the machine's own books,
//! after each step of random sequences, also where Xen refuses something in the middle.

use std::collections::BTreeSet;

use crate::support::list_reader::read_list;
use crate::support::stages::{World, drain, moved};
use crate::support::toolstack;
use crate::support::walk::Walk;
use proptest::prelude::*;
use pv_memory::balloon::{Balloon, KEPT, MemoryMut, Resized, Short};
use pv_memory::p2m::{Slot, Strategy as Move};
use pv_memory::resources::Resources;
use pv_memory::vmalloc::{Area, Near, Vmalloc};
use xen::Errno;
use xen::addr::{Pfn, PfnRange};
use xen_model::{Domain, Refusal, Xen};

const DIRECT: u64 = 0xffff_8800_0000_0000;
const DIRECT_END: u64 = 0xffff_9800_0000_0000;
const STRATEGIES: [Move; 3] = [Move::Copy, Move::Alias, Move::Linear];

/// A domain after stage 7, with a balloon and areas.
struct Ballooned {
    world: World,
    balloon: Balloon,
    vmalloc: Vmalloc,
    areas: Vec<Area>,
    /// Free pages and those of the balloon, with what was taken from them since.
    pages: u64,
    /// The first hypercall that may be refused.
    next_refusal: u64,
}

impl Ballooned {
    fn new(strategy: Move) -> Self {
        let mut world = moved(&Domain { pages: 24 * 256 + 3, ..Domain::guest(24) }, strategy);
        let (space, _) = world.clean();
        let pages = world.frames.free_pages() + world.tables.added() as u64 + world.p2m.own_pages();
        Self {
            world,
            balloon: Balloon::new(),
            vmalloc: Vmalloc::new(space),
            areas: vec![],
            pages,
            next_refusal: 0,
        }
    }

    fn change<R>(&mut self, work: impl FnOnce(&mut Balloon, &mut MemoryMut<'_>, &mut Xen) -> R) -> R {
        let World { built, tables, frames, p2m, .. } = &mut self.world;
        let mut memory = MemoryMut { p2m, resources: Resources { tables, frames } };
        let balloon = &mut self.balloon;
        built.xen.run(|xen| work(balloon, &mut memory, xen))
    }

    fn decrease(&mut self, pages: u64) -> Resized {
        self.change(|balloon, memory, xen| balloon.decrease(pages, memory, xen))
    }

    fn increase(&mut self, pages: u64) -> Resized {
        self.change(|balloon, memory, xen| balloon.increase(pages, memory, xen))
    }

    fn make_room(&mut self, pages: u64) {
        let before = self.world.p2m.nr_pages();
        if self.change(|balloon, memory, xen| balloon.make_room(pages, memory, xen)).is_ok() {
            self.pages += pages.saturating_sub(before);
        }
    }

    /// Maps an area; a domain without the memory for it has none.
    fn area(&mut self, pages: u64) {
        let vmalloc = &mut self.vmalloc;
        let made = self.world.run(|memory, xen| vmalloc.allocate(Near::Nothing, pages, memory, xen));
        self.areas.extend(made.ok());
    }

    fn purge(&mut self) {
        self.areas.pop();
        let vmalloc = &mut self.vmalloc;
        // A refused hypercall leaves the areas listed: the next purge has them again.
        let _ = self.world.run(|memory, xen| vmalloc.purge(memory, xen));
    }

    fn split(&mut self, pfn: u64) {
        let pages = PfnRange::new(Pfn::new(pfn % self.world.p2m.nr_pages()), 1);
        let _ = self.change(|_, memory, xen| memory.p2m.reserve(pages, &mut memory.resources, xen));
    }

    /// Plans a refusal, but none so soon after another that an undoing is refused: then nothing is promised.
    fn refuse(&mut self, after: u64, element: usize) {
        let xen = &mut self.world.built.xen;
        let hypercall = xen.issued() + after;
        if hypercall >= self.next_refusal {
            self.next_refusal = hypercall + 8;
            let errno = if element.is_multiple_of(3) { Errno::EPERM } else { Errno::ENOMEM };
            xen.refuse(Refusal { hypercall, element, errno });
        }
    }

    /// Everything that must hold between two steps.
    fn check(&self) {
        self.p2m_is_the_machines();
        self.window_shows_what_is_mapped();
        self.no_page_is_lost();
    }

    fn p2m_is_the_machines(&self) {
        let World { built, p2m, tables, .. } = &self.world;
        let xen = &built.xen;
        let truth: Vec<u64> = (0..p2m.nr_pages())
            .map(|pfn| xen.machine().mfn(Pfn::new(pfn)).map_or(u64::MAX, xen::addr::Mfn::raw))
            .collect();
        let own: Vec<u64> = (0..p2m.nr_pages())
            .map(|pfn| p2m.frame(tables.window(), xen, Pfn::new(pfn)).map_or(u64::MAX, xen::addr::Mfn::raw))
            .collect();
        assert!(own == truth, "the P2M");
        assert!(toolstack::map_p2m(xen).unwrap().p2m == truth, "the frame list");
        if p2m.strategy() == Move::Linear {
            assert!(read_list(xen).unwrap().p2m(xen) == truth, "the list");
        }
    }

    fn window_shows_what_is_mapped(&self) {
        let World { built, tables, .. } = &self.world;
        let mapped: BTreeSet<Pfn> = Walk::of(&built.xen)
            .within(DIRECT, DIRECT_END)
            .map(|leaf| {
                let pfn = Pfn::new((leaf.at - DIRECT) / 4096);
                assert_eq!(
                    built.xen.machine().mfn(pfn),
                    Some(leaf.mfn),
                    "{pfn} shows a frame that is not its own"
                );
                pfn
            })
            .collect();
        let all = self.world.p2m.nr_pages();
        let shown = (0..all).map(Pfn::new).filter(|pfn| tables.window().shows(PfnRange::new(*pfn, 1)));
        assert!(shown.eq(mapped.iter().copied()), "the window");
        assert_eq!(built.xen.stale(), None);
    }

    fn no_page_is_lost(&self) {
        let World { frames, tables, p2m, .. } = &self.world;
        let areas: u64 = self.vmalloc.ranges().map(|range| range.pages()).sum();
        let kept = tables.added() as u64 + p2m.own_leaves() + p2m.own_pages() + tables.lost_pages();
        assert_eq!(frames.free_pages() + self.balloon.pages() + areas + kept, self.pages, "pages");
    }

    /// Free pages have frames, the balloon's have none; all of them together are what they were.
    fn end(mut self) {
        let free = drain(&mut self.world.frames, &self.world.tables);
        let machine = self.world.built.xen.machine();
        assert!(free.iter().all(|pfn| machine.mfn(*pfn).is_some()), "a free page without a frame");
        let without =
            (0..self.world.p2m.nr_pages()).filter(|pfn| machine.mfn(Pfn::new(*pfn)).is_none()).count();
        assert_eq!(without as u64, self.balloon.pages(), "pages without a frame");
    }
}

#[test]
fn memory_goes_and_comes_back_with_other_frames() {
    for strategy in STRATEGIES {
        let mut domain = Ballooned::new(strategy);
        let before = domain.world.entries();
        assert_eq!(domain.decrease(3000), Resized { pages: 3000, short: None });
        domain.check();
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
        let pages = 3 << 18;
        domain.make_room(pages);
        assert_eq!(domain.world.p2m.nr_pages(), pages);
        let more = pages - domain.world.built.start_info.nr_pages;
        assert_eq!(domain.increase(more), Resized { pages: more, short: None });
        domain.area(3000);
        assert_eq!(domain.areas.len(), 1, "there is room for page tables");
        domain.check();
        assert_eq!(domain.decrease(more), Resized { pages: more, short: None });
        domain.check();
    }
}

#[test]
fn room_that_would_take_what_the_domain_needs_is_refused() {
    let mut domain = Ballooned::new(Move::Linear);
    let before = domain.world.p2m.nr_pages();
    domain.make_room(1 << 31);
    assert_eq!(domain.world.p2m.nr_pages(), before);
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
                    Step::Split(pfn) => domain.split(pfn),
                    Step::Refuse(after, element) => domain.refuse(after, element),
                }
                domain.check();
            }
            domain.end();
        }
    }
}
