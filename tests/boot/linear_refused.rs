//! What a refusal leaves of a list: each element of each hypercall that moves, extends or splits it is refused in turn.

use super::linear::{PAGES, assert_read, domain, linear};
use crate::support::stages::{World, plant_for};
use pv_memory::commit::{MmuError, Undone};
use pv_memory::error::MmError;
use pv_memory::p2m::{Slot, Strategy};
use xen::Errno;
use xen::addr::{Mfn, Pfn};
use xen_model::Refusal;

/// Refuses each element of the next hypercall in turn; `attempt` must leave everything as it was.
fn refused_everywhere(mut attempt: impl FnMut(&mut World) -> Result<(), MmError>) {
    for element in 0.. {
        let mut world = linear(&domain());
        // The first growth, so that there are holes.
        world.grow(PAGES + 3000).unwrap();
        let (before, free) = (world.entries(), world.frames.free_pages());
        let hypercall = world.built.xen.issued();
        world.built.xen.refuse(Refusal { hypercall, element, errno: Errno::EINVAL });
        let of = elements(attempt(&mut world).unwrap_err());
        assert!(world.entries() == before, "element {element}");
        assert_eq!(world.frames.free_pages(), free, "element {element}");
        assert_read(&world);
        if element + 1 == of {
            return;
        }
    }
}

/// How many elements the refused hypercall had.
fn elements(error: MmError) -> usize {
    match error {
        MmError::Mmu(MmuError::Refused { of, undone: Undone::All, .. }) => of,
        other => panic!("{other}"),
    }
}

#[test]
fn a_growth_refused_anywhere_leaves_the_list_as_it_was() {
    refused_everywhere(|world| world.grow(PAGES + 5000));
}

#[test]
fn a_split_refused_anywhere_leaves_the_hole() {
    let pfn = Pfn::new(PAGES + 2000);
    refused_everywhere(|world| world.set(pfn, Slot::Frame(Mfn::new(0x1234))));
}

#[test]
fn a_move_refused_anywhere_publishes_no_list() {
    for element in 0.. {
        let mut planted = plant_for(&domain(), Strategy::Linear);
        let (free, hypercall) = (planted.frames.free_pages(), planted.built.xen.issued());
        planted.built.xen.refuse(Refusal { hypercall, element, errno: Errno::EINVAL });
        let failed = planted.revector().unwrap_err();
        assert_eq!(failed.frames.free_pages(), free);
        assert_eq!(failed.built.xen.published().unwrap().list, None);
        // An L3 and an L2 table: each is made read-only, and hooked.
        assert_eq!(elements(failed.error), 4);
        if element == 3 {
            return;
        }
    }
}
