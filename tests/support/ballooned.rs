//! A domain that gives memory back and gets it again, and everything that must hold of it between two steps.

use std::collections::BTreeSet;

use super::list_reader::read_list;
use super::stages::{World, drain, moved};
use super::toolstack;
use super::walk::Walk;
use ko_loader::Source;
use pv_memory::balloon::{Balloon, MemoryMut, Resized};
use pv_memory::p2m::Strategy as Move;
use pv_memory::resources::Resources;
use pv_memory::vmalloc::{Area, Near, Vmalloc};
use revector::module::load::{Modules, load};
use revector::options::Inits;
use xen::Errno;
use xen::addr::{Mfn, Pfn, PfnRange};
use xen_model::{Domain, Refusal, Xen};

const DIRECT: u64 = 0xffff_8800_0000_0000;
const DIRECT_END: u64 = 0xffff_9800_0000_0000;
/// A domain after stage 7, with a balloon and areas.
pub(crate) struct Ballooned {
    pub(crate) world: World,
    pub(crate) balloon: Balloon,
    vmalloc: Vmalloc,
    pub(crate) areas: Vec<Area>,
    pub(crate) modules: Modules<'static>,
    /// Free pages and those of the balloon, with what was taken from them since.
    pub(crate) pages: u64,
    /// The first hypercall that may be refused.
    next_refusal: u64,
}

impl Ballooned {
    pub(crate) fn new(strategy: Move) -> Self {
        Self::of(&Domain { pages: 24 * 256 + 3, ..Domain::guest(24) }, strategy)
    }

    pub(crate) fn of(domain: &Domain, strategy: Move) -> Self {
        let mut world = moved(domain, strategy);
        let (space, _) = world.clean();
        let modules = Modules::new(Vec::leak(super::exports(&world.built.facts).into()));
        let pages = world.frames.free_pages() + world.tables.added() as u64 + world.p2m.own_pages();
        Self {
            world,
            balloon: Balloon::new(),
            vmalloc: Vmalloc::new(space),
            areas: vec![],
            modules,
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

    pub(crate) fn decrease(&mut self, pages: u64) -> Resized {
        self.change(|balloon, memory, xen| balloon.decrease(pages, memory, xen))
    }

    pub(crate) fn increase(&mut self, pages: u64) -> Resized {
        self.change(|balloon, memory, xen| balloon.increase(pages, memory, xen))
    }

    pub(crate) fn make_room(&mut self, pages: u64) {
        let before = self.world.p2m.nr_pages();
        if self.change(|balloon, memory, xen| balloon.make_room(pages, memory, xen)).is_ok() {
            self.pages += pages.saturating_sub(before);
        }
    }

    /// Maps an area; a domain without the memory for it has none.
    pub(crate) fn area(&mut self, pages: u64) {
        let vmalloc = &mut self.vmalloc;
        let made = self.world.run(|memory, xen| vmalloc.allocate(Near::Nothing, pages, memory, xen));
        self.areas.extend(made.ok());
    }

    pub(crate) fn purge(&mut self) {
        self.areas.pop();
        let vmalloc = &mut self.vmalloc;
        // A refused hypercall leaves the areas listed: the next purge has them again.
        let _ = self.world.run(|memory, xen| vmalloc.purge(memory, xen));
    }

    /// Loads the sample module, unless it is loaded.
    pub(crate) fn load(&mut self) {
        let (vmalloc, modules) = (&mut self.vmalloc, &mut self.modules);
        let source = Source { name: "hello", object: super::hello() };
        // A refused hypercall leaves nothing of it, but what the next purge unmaps.
        let _ = self.world.run(|memory, xen| load(source, Inits::Run, modules, vmalloc, memory, xen));
    }

    /// Unloads it again.
    pub(crate) fn unload(&mut self) {
        let modules = &mut self.modules;
        let _ = self.world.run(|_, xen| modules.unload_last(xen));
        self.purge();
    }

    pub(crate) fn split(&mut self, pfn: u64) {
        let pages = PfnRange::new(Pfn::new(pfn % self.world.p2m.nr_pages()), 1);
        let _ = self.change(|_, memory, xen| memory.p2m.reserve(pages, &mut memory.resources, xen));
    }

    /// Plans a refusal, but none so soon after another that an undoing is refused: then nothing is promised.
    pub(crate) fn refuse(&mut self, after: u64, element: usize) {
        let xen = &mut self.world.built.xen;
        let hypercall = xen.issued() + after;
        if hypercall >= self.next_refusal {
            self.next_refusal = hypercall + 8;
            let errno = if element.is_multiple_of(3) { Errno::EPERM } else { Errno::ENOMEM };
            xen.refuse(Refusal { hypercall, element, errno });
        }
    }

    /// Everything that must hold between two steps.
    pub(crate) fn check(&self) {
        self.p2m_is_the_machines();
        self.window_shows_what_is_mapped();
        self.no_page_is_lost();
    }

    fn p2m_is_the_machines(&self) {
        let World { built, p2m, tables, .. } = &self.world;
        let xen = &built.xen;
        let truth: Vec<u64> = (0..p2m.nr_pages())
            .map(|pfn| xen.machine().mfn(Pfn::new(pfn)).map_or(u64::MAX, Mfn::raw))
            .collect();
        let own: Vec<u64> = (0..p2m.nr_pages())
            .map(|pfn| p2m.frame(tables.window(), xen, Pfn::new(pfn)).map_or(u64::MAX, Mfn::raw))
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
        assert_eq!(tables.lost_pages(), 0, "nothing is withheld if every undoing is done");
        let areas: u64 = self.vmalloc.ranges().map(|range| range.pages()).sum();
        let kept = tables.added() as u64 + p2m.own_leaves() + p2m.own_pages();
        assert_eq!(frames.free_pages() + self.balloon.pages() + areas + kept, self.pages, "pages");
    }

    /// Free pages have frames, the balloon's have none; all of them together are what they were.
    pub(crate) fn end(mut self) {
        let free = drain(&mut self.world.frames, &self.world.tables);
        let machine = self.world.built.xen.machine();
        assert!(free.iter().all(|pfn| machine.mfn(*pfn).is_some()), "a free page without a frame");
        let without =
            (0..self.world.p2m.nr_pages()).filter(|pfn| machine.mfn(Pfn::new(*pfn)).is_none()).count();
        assert_eq!(without as u64, self.balloon.pages(), "pages without a frame");
    }
}
