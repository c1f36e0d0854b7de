//! Questions that change nothing.

use alloc::vec::Vec;

use super::guest::Guest;
use super::keys::Keys;
use crate::report;
use pv_memory::dump;
use pv_memory::error::MmError;
use pv_memory::p2m::Slot;
use pv_memory::p2m::verify::Verify;
use xen::addr::{Mfn, Pfn, VirtAddr, VirtRange};
use xen::pte::Level;
use xen::{Hypervisor, Resident};

/// Lines between two looks at the keys.
const LINES: u32 = 16;

/// An answer of many lines, which a key can stop.
pub(super) struct Answer<'k> {
    keys: &'k mut Keys,
    lines: u32,
    is_stopped: bool,
}

impl<'k> Answer<'k> {
    pub(super) const fn new(keys: &'k mut Keys) -> Self {
        Self { keys, lines: 0, is_stopped: false }
    }

    /// Tells whether the next line may be printed.
    fn goes_on<X: Resident>(&mut self, xen: &mut X) -> bool {
        self.lines += 1;
        if !self.is_stopped && self.lines.is_multiple_of(LINES) && self.keys.stop(xen) {
            self.is_stopped = true;
            log::info!(target: "monitor", "stopped by Ctrl-C");
        }
        !self.is_stopped
    }
}

pub(super) fn layout(guest: &Guest<'_>) {
    report::layout(guest.boot.layout);
}

pub(super) fn p2m<X: Hypervisor + Resident>(
    first: Pfn,
    count: u64,
    guest: &Guest<'_>,
    answer: &mut Answer<'_>,
    xen: &mut X,
) {
    let all = guest.p2m.nr_pages();
    if first.raw() >= all {
        log::warn!(target: "p2m", "{first}: expected a page below {all:#x}");
        return;
    }
    let end = first.raw().saturating_add(count).min(all);
    for pfn in (first.raw()..end).map(Pfn::new) {
        if !answer.goes_on(xen) {
            return;
        }
        match guest.p2m.get(guest.tables.window(), xen, pfn) {
            Slot::Frame(mfn) => log::info!(target: "p2m", "{pfn} -> {mfn}"),
            Slot::Missing => log::info!(target: "p2m", "{pfn} missing"),
            Slot::Identity => log::info!(target: "p2m", "{pfn} identity"),
        }
    }
}

pub(super) fn m2p<X: Hypervisor>(mfn: Mfn, guest: &Guest<'_>, xen: &X) {
    let Some(claim) = xen.m2p(mfn) else {
        log::info!(target: "m2p", "{mfn}: no page");
        return;
    };
    // Whose page it is M2P does not say: it is this domain's if the P2M agrees.
    match claim.confirmed(|pfn| guest.p2m.frame(guest.tables.window(), xen, pfn)) {
        Some(pfn) => log::info!(target: "m2p", "{mfn} -> {pfn}, as in the P2M"),
        None => {
            log::info!(target: "m2p", "{mfn}: a page of another domain's, or of no one's: the P2M does not have it")
        }
    }
}

pub(super) fn walk<X: Hypervisor>(at: VirtAddr, guest: &Guest<'_>, xen: &X) {
    if xen::area::XEN.contains(at) {
        log::warn!(target: "walk", "{at:#x}: expected an address of the guest's: Xen does not show its own page tables");
        return;
    }
    for level in [Level::L4, Level::L3, Level::L2, Level::L1] {
        let table = match guest.tables.find(xen, at, level) {
            Ok(Some(table)) => table,
            Ok(None) => return,
            Err(error) => {
                log::warn!(target: "walk", "{error}");
                return;
            }
        };
        let entry = guest.tables.entry(xen, table, at);
        log::info!(target: "walk", "{level:?}[{}] of {} = {:#018x}", level.index(at), table.pfn, entry.word());
    }
}

pub(super) fn maps<X: Hypervisor + Resident>(guest: &Guest<'_>, answer: &mut Answer<'_>, xen: &mut X) {
    // What lies above the area of Xen, whose tables a guest cannot read.
    let kernel = VirtAddr::new_truncate(xen::area::XEN.end_raw());
    let range = VirtRange::new(kernel, u64::MAX - kernel.as_u64());
    let mut lines = Vec::new();
    if let Err(error) = dump::dump(guest.tables, xen, range, |line| lines.push(line)) {
        failed("maps", &error);
    }
    for line in lines {
        if !answer.goes_on(xen) {
            return;
        }
        report::mapping("now", line);
    }
}

pub(super) fn frames<X: Hypervisor>(guest: &Guest<'_>, xen: &X) {
    report::frames(guest.frames);
    let owned = xen.owned_pages().unwrap_or(0);
    let (without, all) = (guest.balloon.pages(), guest.p2m.nr_pages());
    log::info!(target: "frames", "{without:#x} pages without a machine frame, of {all:#x}; Xen counts {owned:#x} with one");
}

pub(super) fn areas(guest: &Guest<'_>) {
    for range in guest.vmalloc.ranges() {
        log::info!(target: "vmalloc", "{range} ({} pages)", range.pages());
    }
    log::info!(target: "vmalloc", "{} areas", guest.vmalloc.areas());
}

pub(super) fn verify<X: Hypervisor>(guest: &Guest<'_>, xen: &X) {
    let seen = guest.p2m.verify(guest.tables, xen, Verify::Full);
    report::verified(&seen, Verify::Full);
    if !seen.is_good() {
        log::error!(target: "verify", "P2M and M2P differ");
    }
}

pub(super) fn digest<X: Hypervisor>(guest: &Guest<'_>, xen: &X) {
    report::digest(&guest.p2m.digest(guest.tables.window(), xen));
}

pub(super) fn stats<X: Hypervisor>(xen: &X) {
    log::info!(target: "stats", "{}", xen.counters());
}

pub(super) fn failed(verb: &str, error: &MmError) {
    log::error!(target: "monitor", "{verb}: {error}");
}
