//! What changes the P2M: the domain's size, and experiments.

use core::fmt;

use super::home::Home;
use super::inspect::failed;
use pv_memory::balloon::Resized;
use pv_memory::error::MmError;
use pv_memory::frames::Zone;
use pv_memory::p2m::Slot;
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

/// Gives memory back, or gets some, until Xen counts `target` pages; says how far that got.
pub(super) fn resize<X: Hypervisor + Reservation>(target: u64, home: &mut Home<'_>, xen: &mut X) {
    match step(target, home, xen) {
        None => {
            log::warn!(target: "balloon", "Xen does not say how many pages the domain has: nothing changed")
        }
        Some(Stepped { wanted: 0, .. }) => {
            log::info!(target: "balloon", "the domain has {target:#x} pages already ({} MiB)", target / 256);
        }
        Some(stepped) => stepped.print(target, home, xen),
    }
}

/// What became of one attempt.
struct Stepped {
    way: Way,
    wanted: u64,
    resized: Resized,
}

impl Stepped {
    fn print<X: Hypervisor>(&self, target: u64, home: &Home<'_>, xen: &X) {
        let Self { way, wanted, resized: Resized { pages, short } } = self;
        let owned = xen.owned_pages().unwrap_or(0);
        match short {
            None => {
                log::info!(target: "balloon", "{pages:#x} pages {way}: Xen counts {owned:#x} ({} MiB)", owned / 256);
            }
            Some(why) => {
                log::warn!(target: "balloon", "{pages:#x} of {wanted:#x} pages {way}, Xen counts {owned:#x}, expected {target:#x}: {why}");
            }
        }
        log::debug!(target: "balloon", "{:#x} pages free, {:#x} without a frame", home.frames.free_pages(), home.balloon.pages());
    }
}

fn step<X: Hypervisor + Reservation>(target: u64, home: &mut Home<'_>, xen: &mut X) -> Option<Stepped> {
    let owned = xen.owned_pages()?;
    let (mut house, balloon) = home.house();
    let (way, wanted) = if target < owned { (Way::Down, owned - target) } else { (Way::Up, target - owned) };
    let resized = match way {
        _ if wanted == 0 => Resized { pages: 0, short: None },
        Way::Down => balloon.decrease(wanted, &mut house, xen),
        Way::Up => balloon.increase(wanted, &mut house, xen),
    };
    Some(Stepped { way, wanted, resized })
}

/// Makes the entry of a free page missing.
pub(super) fn hole<X: Hypervisor>(home: &mut Home<'_>, xen: &mut X) {
    match make_hole(home, xen) {
        Ok(pfn) => log::info!(target: "p2m", "{pfn} missing; set close restores it"),
        Err(error) => failed("set hole", &error),
    }
}

fn make_hole<X: Hypervisor>(home: &mut Home<'_>, xen: &mut X) -> Result<Pfn, MmError> {
    let run = home.frames.take(Zone::Far(home.tables.window()), 1)?;
    let pfn = run.first();
    let slot = home.p2m.get(home.tables.window(), xen, pfn);
    let (mut house, _) = home.house();
    let set = house.p2m.set(&mut house.resources, xen, pfn, Slot::Missing);
    match set {
        Ok(()) => home.holes.push((run, slot)),
        Err(_) => home.frames.give_back(run)?,
    }
    set.map(|()| pfn)
}

/// Gives the last page whose entry was made missing its entry again.
pub(super) fn close<X: Hypervisor>(home: &mut Home<'_>, xen: &mut X) {
    let Some((run, slot)) = home.holes.pop() else {
        log::warn!(target: "p2m", "set close: expected a hole, made by set hole; there is none");
        return;
    };
    let pfn = run.first();
    let (mut house, _) = home.house();
    let set = house.p2m.set(&mut house.resources, xen, pfn, slot);
    match set {
        Ok(()) => {
            log::info!(target: "p2m", "{pfn} has its frame again");
            if let Err(error) = home.frames.give_back(run) {
                failed("set close", &error.into());
            }
        }
        Err(error) => {
            home.holes.push((run, slot));
            failed("set close", &error);
        }
    }
}

/// Gives the leaf of a page a page of its own.
pub(super) fn split<X: Hypervisor>(pfn: Pfn, home: &mut Home<'_>, xen: &mut X) {
    let (house, _) = home.house();
    let mut resources = house.resources;
    let before = house.p2m.own_leaves();
    match house.p2m.reserve(xen::addr::PfnRange::new(pfn, 1), &mut resources, xen) {
        Err(error) => failed("set split", &error),
        Ok(()) if house.p2m.own_leaves() == before => {
            log::info!(target: "p2m", "the leaf of {pfn} has a page of its own already");
        }
        Ok(()) => log::info!(target: "p2m", "the leaf of {pfn} has a page of its own now"),
    }
}
