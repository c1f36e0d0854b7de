//! A trial of stage 8: areas are mapped, written, guarded and returned.
//!
//! The processor itself shows that mapped pages hold what was written, and that guard pages and old addresses fault.
//! Neighbours: called by `boot`, uses `pv_memory::vmalloc`.

use alloc::vec::Vec;

use crate::balance::Balance;
use crate::error::{BootError, InStage};
use crate::report;
use crate::stage::Stage;
use pv_memory::memory::Memory;
use pv_memory::vmalloc::{Area, Near, Vmalloc};
use xen::Hypervisor;
use xen::addr::{PAGE_SIZE, VirtAddr};

/// Sizes of the trial areas in pages: more than one L1 table maps, a few, and one. The largest comes first: its tables
/// are filled before they are hooked, at a fraction of what Xen takes for changing entries of hooked ones.
const TRIAL_PAGES: [u64; 3] = [513, 4, 1];

/// Maps trial areas, writes to each of their pages, proves guard pages and unmapping, and returns everything.
pub(crate) fn run<X: Hypervisor>(
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let before = Balance::read(memory);
    let mut areas = Vec::new();
    for pages in TRIAL_PAGES {
        let mut area = vmalloc.allocate(Near::Nothing, pages, memory, xen).stage(Stage::Vmalloc)?;
        write_addresses(&mut area, xen);
        report::area(&area);
        areas.push(area);
    }
    for area in &areas {
        read_addresses(area, xen)?;
        must_fault(area.guard(), xen)?;
    }
    let starts: Vec<VirtAddr> = areas.iter().map(|area| area.span().start()).collect();
    drop(areas);
    let count = vmalloc.purge(memory, xen).stage(Stage::Vmalloc)?;
    for start in starts {
        must_fault(start, xen)?;
    }
    before.check(memory)?;
    report::purged(count);
    Ok(())
}

/// Every page holds its own address, so that two pages mapped to the same frame are noticed.
fn write_addresses<X: Hypervisor>(area: &mut Area, xen: &mut X) {
    for page in 0..area.span().pages() {
        let at = area.span().start().as_u64() + page * PAGE_SIZE;
        area.page_mut(xen, page)[0] = at;
    }
}

fn read_addresses<X: Hypervisor>(area: &Area, xen: &X) -> Result<(), BootError> {
    for page in 0..area.span().pages() {
        let at = area.span().start().as_u64() + page * PAGE_SIZE;
        if area.span().first_word(xen, page) != at {
            return Err(BootError::Pattern(at));
        }
    }
    Ok(())
}

fn must_fault<X: Hypervisor>(at: VirtAddr, xen: &mut X) -> Result<(), BootError> {
    match xen.probe(at) {
        Ok(_) => Err(BootError::StillMapped(at.as_u64())),
        Err(_) => Ok(()),
    }
}
