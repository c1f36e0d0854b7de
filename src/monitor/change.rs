//! What changes the P2M: the domain's size, and experiments.

use core::fmt;

use super::guest::Guest;
use super::inspect::failed;
use pv_memory::balloon::Resized;
use pv_memory::error::MmError;
use pv_memory::frames::Zone;
use pv_memory::p2m::{Slot, Strategy};
use xen::addr::Pfn;
use xen::{Hypervisor, Reservation};

/// Which way the domain's size went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Down,
    Up,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "given back",
            Self::Up => "got",
        })
    }
}

/// What became of an attempt to change the domain's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    way: Way,
    wanted: u64,
    resized: Resized,
    owned: u64,
    target: u64,
}

impl Change {
    /// Tells whether the domain has as many pages as it should have.
    pub(super) const fn is_whole(&self) -> bool {
        self.owned == self.target
    }

    pub(super) fn print(&self) {
        let Self { way, wanted, resized: Resized { pages, short }, owned, target } = self;
        match short {
            None if *wanted == 0 => {
                log::info!(target: "balloon", "Xen counts {owned:#x} pages ({} MiB) already", owned / 256);
            }
            None => {
                log::info!(target: "balloon", "{pages:#x} pages {way}: Xen counts {owned:#x} ({} MiB)", owned / 256);
            }
            Some(why) => {
                log::warn!(target: "balloon", "{pages:#x} of {wanted:#x} pages {way}: Xen counts {owned:#x}, expected {target:#x}: {why}");
            }
        }
    }
}

/// Gives memory back, or gets some, until Xen counts `target` pages.
pub(super) fn resize<X: Hypervisor + Reservation>(target: u64, guest: &mut Guest<'_>, xen: &mut X) -> Change {
    // Xen answers this for every domain.
    let owned = xen.owned_pages().unwrap_or(target);
    let (mut memory, balloon) = guest.memory_mut();
    let (way, wanted) = if target < owned { (Way::Down, owned - target) } else { (Way::Up, target - owned) };
    let resized = match way {
        Way::Down => balloon.decrease(wanted, &mut memory, xen),
        Way::Up => balloon.increase(wanted, &mut memory, xen),
    };
    Change { way, wanted, resized, owned: xen.owned_pages().unwrap_or(target), target }
}

/// Makes room in the P2M for the most pages that the toolstack may ever give.
pub(super) fn make_room<X: Hypervisor>(pages: u64, guest: &mut Guest<'_>, xen: &mut X) {
    let before = guest.p2m.nr_pages();
    // A P2M that stays where the builder put it has no room.
    if guest.p2m.strategy() == Strategy::Keep || pages <= before {
        return;
    }
    let pages = pages.min(guest.p2m.most_pages());
    let (mut memory, balloon) = guest.memory_mut();
    match balloon.make_room(pages, &mut memory, xen) {
        Ok(()) => {
            log::info!(target: "balloon", "the P2M has room for {pages:#x} pages ({} MiB)", pages / 256)
        }
        Err(error) => {
            log::warn!(target: "balloon", "the P2M has room for {before:#x} pages, expected {pages:#x}: {error}");
        }
    }
}

/// Makes the entry of a free page missing.
pub(super) fn hole<X: Hypervisor>(guest: &mut Guest<'_>, xen: &mut X) {
    match make_hole(guest, xen) {
        Ok(pfn) => log::info!(target: "p2m", "{pfn} missing; set close restores it"),
        Err(error) => failed("set hole", &error),
    }
}

fn make_hole<X: Hypervisor>(guest: &mut Guest<'_>, xen: &mut X) -> Result<Pfn, MmError> {
    let run = guest.frames.take(Zone::Far(guest.tables.window()), 1)?;
    let pfn = run.first();
    let slot = guest.p2m.get(guest.tables.window(), xen, pfn);
    let (mut memory, _) = guest.memory_mut();
    let set = memory.p2m.set(&mut memory.resources, xen, pfn, Slot::Missing);
    match set {
        Ok(()) => guest.holes.push((run, slot)),
        Err(_) => guest.frames.give_back(run)?,
    }
    set.map(|()| pfn)
}

/// Gives the last page whose entry was made missing its entry again.
pub(super) fn close<X: Hypervisor>(guest: &mut Guest<'_>, xen: &mut X) {
    let Some((run, slot)) = guest.holes.pop() else {
        log::warn!(target: "p2m", "set close: expected a hole, made by set hole; there is none");
        return;
    };
    let pfn = run.first();
    let (mut memory, _) = guest.memory_mut();
    let set = memory.p2m.set(&mut memory.resources, xen, pfn, slot);
    match set {
        Ok(()) => {
            log::info!(target: "p2m", "{pfn} has the entry again that it had before");
            if let Err(error) = guest.frames.give_back(run) {
                failed("set close", &error.into());
            }
        }
        Err(error) => {
            guest.holes.push((run, slot));
            failed("set close", &error);
        }
    }
}

/// Gives the leaf of a page a page of its own.
pub(super) fn split<X: Hypervisor>(pfn: Pfn, guest: &mut Guest<'_>, xen: &mut X) {
    let (memory, _) = guest.memory_mut();
    let mut resources = memory.resources;
    let before = memory.p2m.own_leaves();
    match memory.p2m.reserve(xen::addr::PfnRange::new(pfn, 1), &mut resources, xen) {
        Err(error) => failed("set split", &error),
        Ok(()) if memory.p2m.own_leaves() == before => {
            log::info!(target: "p2m", "the leaf of {pfn} has a page of its own already");
        }
        Ok(()) => log::info!(target: "p2m", "the leaf of {pfn} has a page of its own now"),
    }
}
