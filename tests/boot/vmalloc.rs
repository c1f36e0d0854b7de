//! Areas of vmalloc under random use: disjoint, guarded, isolated, and nothing lost, also if Xen refuses.

use crate::support;
use crate::support::stages::{World, moved};
use crate::support::walk::Walk;
use proptest::prelude::*;
use pv_memory::error::MmError;
use pv_memory::p2m::Strategy as Move;
use pv_memory::vmalloc::{Area, Near, Rights, Vmalloc};
use xen::addr::{PAGE_SIZE, VirtAddr};
use xen::pte::{Access, Level};
use xen::{Errno, Lookup};
use xen_model::{Domain, Refusal};

const DIRECT: u64 = 0xffff_8800_0000_0000;

/// One use of vmalloc.
#[derive(Clone, Copy, Debug)]
enum Action {
    Allocate(Near, u64),
    Drop(usize),
    Protect(usize),
    Seal(usize),
    Purge,
}

fn action() -> impl Strategy<Value = Action> {
    let place = prop_oneof![Just(Near::Nothing), Just(Near::Kernel)];
    prop_oneof![
        4 => (place, 1_u64..700).prop_map(|(place, pages)| Action::Allocate(place, pages)),
        2 => (0_usize..8).prop_map(Action::Drop),
        1 => (0_usize..8).prop_map(Action::Protect),
        1 => (0_usize..8).prop_map(Action::Seal),
        1 => Just(Action::Purge),
    ]
}

/// A domain with its module area clean, its areas, and what was free at the start.
struct Trial {
    world: World,
    vmalloc: Vmalloc,
    areas: Vec<Area>,
    at_start: u64,
    before: Walk,
}

impl Trial {
    fn new() -> Self {
        let mut world = moved(&Domain::guest(64), Move::Copy);
        let (space, _) = world.clean();
        let at_start = world.frames.free_pages() + world.tables.added() as u64;
        let before = Walk::of(&world.built.xen);
        Self { world, vmalloc: Vmalloc::new(space), areas: Vec::new(), at_start, before }
    }

    fn allocate(&mut self, place: Near, pages: u64) -> Result<(), MmError> {
        let area = self.world.run(|memory, xen| {
            let mut area = self.vmalloc.allocate(place, pages, memory, xen)?;
            for page in 0..pages {
                area.page_mut(xen, page).fill(area.range().start.as_u64() + page);
            }
            Ok::<_, MmError>(area)
        })?;
        self.areas.push(area);
        Ok(())
    }

    fn purge(&mut self) -> Result<usize, MmError> {
        self.world.run(|memory, xen| self.vmalloc.purge(memory, xen))
    }

    /// Makes an area's first page read-only, reads it, and writes to it again: only right with a flush.
    fn protect(&mut self, number: usize) {
        let Some(area) = self.areas.get_mut(number) else { return };
        let World { tables, built, .. } = &mut self.world;
        for access in [Access::ReadOnly, Access::Data] {
            let parts = [Rights { first: 0, pages: 1, access }];
            built.xen.run(|xen| self.vmalloc.protect(area, &parts, tables, xen)).unwrap();
            assert_eq!(area.span().page(&built.xen, 0)[0], area.range().start.as_u64());
        }
        area.page_mut(&mut built.xen, 0)[1] = area.range().start.as_u64();
    }

    /// Makes an area's first page code and its last a constant, and leaves them so.
    fn seal(&mut self, number: usize) -> Result<(), MmError> {
        let Some(area) = self.areas.get(number) else { return Ok(()) };
        let World { tables, built, .. } = &mut self.world;
        let last = area.span().pages() - 1;
        let parts = [
            Rights { first: 0, pages: 1, access: Access::Code },
            Rights { first: last, pages: 1, access: Access::ReadOnly },
        ];
        built.xen.run(|xen| self.vmalloc.protect(area, &parts, tables, xen))
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Allocate(place, pages) => match self.allocate(place, pages) {
                Ok(()) | Err(MmError::Frames(_)) => {}
                Err(error) => panic!("{error}"),
            },
            Action::Drop(number) if number < self.areas.len() => drop(self.areas.swap_remove(number)),
            Action::Drop(_) => {}
            Action::Protect(number) => self.protect(number),
            Action::Seal(number) => self.seal(number).unwrap(),
            Action::Purge => {
                self.purge().unwrap();
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let mut ranges: Vec<_> = self.areas.iter().map(|area| (area.range(), area.guard())).collect();
        ranges.sort_by_key(|(range, _)| range.start);
        for pair in ranges.windows(2) {
            assert!(pair[0].1 < pair[1].0.start, "no guard between {:?} and {:?}", pair[0], pair[1]);
        }
        for (range, guard) in ranges {
            assert!(self.world.built.xen.probe(guard).is_err(), "guard page of {range} is mapped");
        }
        support::checks::no_code_is_writable(&Walk::of(&self.world.built.xen));
        for area in &self.areas {
            for page in 0..area.span().pages() {
                let words = area.span().page(&self.world.built.xen, page);
                let expected = area.range().start.as_u64() + if page == 0 { 0 } else { page };
                assert!(words.iter().all(|word| *word == expected), "page {page} of {}", area.range());
            }
        }
    }

    /// Drops everything: the address space must be as at the start, every frame free or a table.
    fn finish(mut self) {
        let starts: Vec<VirtAddr> = self.areas.iter().map(|area| area.range().start).collect();
        self.areas.clear();
        self.purge().unwrap();
        for at in starts {
            assert!(self.world.built.xen.probe(at).is_err(), "{at:#x} is still mapped");
        }
        assert_eq!(self.vmalloc.areas(), 0);
        let World { frames, tables, built, .. } = &self.world;
        assert_eq!(frames.free_pages() + tables.added() as u64, self.at_start);
        let walk = Walk::of(&built.xen);
        assert_eq!(walk.within(0xffff_c900_0000_0000, 0xffff_ffff_8000_0000).next(), None);
        assert_eq!(walk.within(0xffff_ffff_a000_0000, u64::MAX).next(), None);
        let locked = |walk: &Walk| -> Vec<u64> {
            let shown = walk.within(DIRECT, DIRECT + (512 << 30));
            let locked = shown.filter(|leaf| !leaf.writable && !walk.tables.contains_key(&leaf.mfn));
            locked.map(|leaf| leaf.at).collect()
        };
        assert_eq!(locked(&walk), locked(&self.before), "rights did not come back with the frames");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn areas_are_disjoint_guarded_and_return_everything(actions in proptest::collection::vec(action(), 1..25)) {
        let mut trial = Trial::new();
        actions.into_iter().for_each(|action| trial.apply(action));
        trial.finish();
    }

    #[test]
    fn a_refused_hypercall_loses_no_frame_and_leaves_no_mapping(
        actions in proptest::collection::vec(action(), 1..12),
        hypercall in 0_u64..20,
        element in 0_usize..1500,
    ) {
        let mut trial = Trial::new();
        let hypercall = trial.world.built.xen.issued() + hypercall;
        trial.world.built.xen.refuse(Refusal { hypercall, element, errno: Errno::ENOMEM });
        for action in actions.into_iter().filter(|action| !matches!(action, Action::Protect(_))) {
            match action {
                Action::Allocate(place, pages) => {
                    let _ = trial.allocate(place, pages);
                }
                Action::Purge => {
                    let _ = trial.purge();
                }
                Action::Seal(number) => {
                    let _ = trial.seal(number);
                }
                other => trial.apply(other),
            }
        }
        // The one refusal may come here: what was listed must still be listed.
        if trial.areas.iter().len() > 0 {
            trial.areas.clear();
        }
        let _ = trial.purge();
        trial.finish();
    }
}

#[test]
fn an_area_that_fits_no_gap_is_refused_with_the_room_that_there_is() {
    let mut trial = Trial::new();
    let pages = (0xffff_ffff_ff00_0000_u64 - 0xffff_ffff_a000_0000) / PAGE_SIZE;
    assert!(matches!(trial.allocate(Near::Kernel, pages), Err(MmError::NoRoom { .. })));
    assert!(matches!(trial.allocate(Near::Kernel, pages - 1), Err(MmError::Frames(_))));
    trial.finish();
}

#[test]
fn a_gap_of_exactly_the_right_size_is_used_again() {
    let mut trial = Trial::new();
    for _ in 0..3 {
        trial.allocate(Near::Kernel, 5).unwrap();
    }
    let middle = trial.areas.remove(1);
    let gap = middle.range();
    drop(middle);
    trial.purge().unwrap();
    trial.allocate(Near::Kernel, 6).unwrap();
    trial.allocate(Near::Kernel, 5).unwrap();
    assert_eq!(trial.areas[3].range(), gap);
    trial.finish();
}

#[test]
fn an_area_of_any_size_is_protected_and_unmapped_in_batches_that_the_heap_can_hold() {
    let mut world = moved(&Domain::guest(128), Move::Copy);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    world.run(|memory, xen| {
        let area = vmalloc.allocate(Near::Kernel, 8193, memory, xen).unwrap();
        // Four times 2048 entries and one, each with its flush.
        let before = xen.issued();
        vmalloc
            .protect(&area, &[Rights { first: 0, pages: 8193, access: Access::ReadOnly }], memory.tables, xen)
            .unwrap();
        assert_eq!(xen.issued() - before, 10);
        let before = xen.issued();
        drop(area);
        assert_eq!(vmalloc.purge(memory, xen).unwrap(), 1);
        assert_eq!(xen.issued() - before, 10);
    });
    assert_eq!(Walk::of(&world.built.xen).within(0xffff_ffff_a000_0000, u64::MAX).count(), 0);
}

/// The second time its L1 tables are there: each page is an element then, of as many batches as the heap can hold.
#[test]
fn an_area_over_tables_that_are_there_is_mapped_in_pieces_wholly_or_not_at_all() {
    let mut world = moved(&Domain::guest(128), Move::Copy);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    world.run(|memory, xen| {
        drop(vmalloc.allocate(Near::Kernel, 9000, memory, xen).unwrap());
        vmalloc.purge(memory, xen).unwrap();
        let (free, before) = (memory.frames.free_pages(), xen.issued());
        drop(vmalloc.allocate(Near::Kernel, 9000, memory, xen).unwrap());
        // Four times 2048 entries, and 808 more; nothing was mapped there, so nothing is flushed.
        assert_eq!(xen.issued() - before, 5);
        vmalloc.purge(memory, xen).unwrap();
        for piece in 0..5 {
            let hypercall = xen.issued() + piece;
            xen.refuse(Refusal { hypercall, element: 7, errno: Errno::ENOMEM });
            vmalloc.allocate(Near::Kernel, 9000, memory, xen).unwrap_err();
            assert_eq!(memory.frames.free_pages(), free, "piece {piece}");
        }
    });
    assert_eq!(Walk::of(&world.built.xen).within(0xffff_ffff_a000_0000, u64::MAX).count(), 0);
}

#[test]
fn something_at_the_guard_page_alone_is_in_the_way_of_an_area() {
    let mut world = moved(&Domain::guest(64), Move::Copy);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    world.run(|memory, xen| {
        let area = vmalloc.allocate(Near::Kernel, 3, memory, xen).unwrap();
        assert_eq!(vmalloc.areas(), 1);
        let (guard, free) = (area.guard(), memory.frames.free_pages());
        drop(area);
        vmalloc.purge(memory, xen).unwrap();
        assert_eq!(vmalloc.areas(), 0);
        let table = xen.table_at(guard, Level::L1).unwrap();
        xen.frame_mut(table)[Level::L1.index(guard)] = 0x40;
        let error = vmalloc.allocate(Near::Kernel, 3, memory, xen).unwrap_err();
        assert!(matches!(error, MmError::Occupied { at, entry: 0x40, .. } if at == guard), "{error:?}");
        assert_eq!(memory.frames.free_pages(), free + 3);
        // The page after the guard belongs to another area.
        xen.frame_mut(table)[Level::L1.index(guard)] = 0;
        xen.frame_mut(table)[Level::L1.index(guard) + 1] = 0x40;
        vmalloc.allocate(Near::Kernel, 3, memory, xen).unwrap();
    });
}
