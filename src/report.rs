//! The console log of the boot: what each stage found, one fact per line.
//!
//! The log is an interface: people read it, CI looks for lines in it, programs compare rows with the toolstack's.
//! Its grammar is docs/boot-log.md. Neighbours: `boot`, `trial` and `module::driver` call these functions; the image's
//! logger adds the time.

use log::{debug, info, warn};

use crate::error::BootError;
use crate::module::load::Modules;
use crate::stage::Stage;
use pv_memory::cleanup::Cleaned;
use pv_memory::dump::{self, Line};
use pv_memory::error::MmError;
use pv_memory::frames::Frames;
use pv_memory::layout::{Layout, Name, Row};
use pv_memory::limits::Limit;
use pv_memory::p2m::digest::Digest;
use pv_memory::p2m::misname::WrongFrame;
use pv_memory::p2m::verify::{Verified, Verify};
use pv_memory::p2m::{Fate, Form, Outcome, OwnMapping, Physmap, Strategy};
use pv_memory::tables::Tables;
use pv_memory::vmalloc::Area;
use pv_memory::walk::BootTables;
use xen::Hypervisor;
use xen::addr::{PfnRange, VirtAddr, VirtRange};
use xen::area;
use xen::start_info::{BootInfo, Ramdisk, RamdiskPlace, Role};

pub(crate) fn start_info(info: &BootInfo) {
    let role = match info.role {
        Role::Guest => "guest",
        Role::InitialDomain => "initial domain",
    };
    info!(target: Stage::StartInfo.name(), "{role}, {:#x} pages ({} MiB)", info.nr_pages, info.nr_pages / 256);
    info!(target: Stage::StartInfo.name(), "builder: {}", info.mark);
    if let Some(Ramdisk { place, bytes }) = info.ramdisk {
        match place {
            RamdiskPlace::Mapped(_) => info!(target: Stage::StartInfo.name(), "ramdisk of {bytes} bytes"),
            RamdiskPlace::Unmapped(pfn) => {
                info!(target: Stage::StartInfo.name(), "ramdisk of {bytes} bytes at {pfn}, not mapped")
            }
        }
    }
}

pub(crate) fn layout(layout: &Layout) {
    for row in layout.rows() {
        info!(target: Stage::Layout.name(), "{row}");
    }
    let end = area::high(layout.alloc_end());
    info!(target: Stage::Layout.name(), "{:<13}: {end:#018x}", "virt_alloc_end");
    collision(layout);
}

/// Prints how much of the P2M and of the rest lies in the module area: the problem that this project solves.
fn collision(layout: &Layout) {
    let shared = |row: Row| row.addresses().map_or(0, |range| range.shared_bytes(area::MODULES));
    let all: u64 = layout.rows().map(shared).sum();
    let list = layout.row(Name::Phys2mach).map_or(0, shared);
    if list > 0 {
        info!(target: Stage::Layout.name(), "{} of the P2M lie in the module area: modules cannot be loaded", Mib(list));
    }
    if all > list {
        info!(target: Stage::Layout.name(), "{} of other rows lie in the module area", Mib(all - list));
    }
    if all == 0 {
        info!(target: Stage::Layout.name(), "nothing lies in the module area, which starts at {:#018x}", area::MODULES_START);
    }
}

/// Bytes as MiB with one decimal.
struct Mib(u64);

impl core::fmt::Display for Mib {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let tenths = (self.0 * 10 + (1 << 19)) >> 20;
        write!(f, "{}.{} MiB", tenths / 10, tenths % 10)
    }
}

/// One line of a page-table dump.
pub(crate) fn mapping(when: &str, line: Line) {
    info!(target: Stage::Dump.name(), "{when}: {line}");
}

pub(crate) fn walk(tables: &BootTables, layout: &Layout) {
    info!(target: Stage::Walk.name(), "tables: {}", tables.counts);
    info!(target: Stage::Walk.name(), "{:#x} pages mapped, {:#x} page tables read-only", tables.end.raw(), layout.pages(Name::PageTables).pages());
    info!(target: Stage::Layout.name(), "{:<13}: {:#018x}", "virt_pgtab_end", area::high(tables.end));
}

pub(crate) fn frames(frames: &Frames) {
    info!(target: Stage::Frames.name(), "{:#x} pages free ({} MiB)", frames.free_pages(), frames.free_pages() / 256);
}

pub(crate) fn p2m(p2m: &Physmap) {
    let leaves = p2m.nr_pages().div_ceil(512);
    if let Some(OwnMapping { addresses, counts, .. }) = p2m.own_mapping() {
        info!(target: Stage::P2m.name(), "the list has a mapping of its own at {addresses}: {counts}");
    }
    let form = match p2m.strategy().form() {
        Form::Tree => "tree",
        Form::List => "list",
    };
    info!(target: Stage::P2m.name(), "{form} of {} entries: {leaves} leaves, {} pages of its own", p2m.nr_pages(), p2m.own_pages());
    if p2m.has_frame_list() {
        info!(target: Stage::P2m.name(), "machine-frame tree published");
    } else {
        info!(target: Stage::P2m.name(), "no machine-frame tree: it would end at 512 GiB");
    }
}

pub(crate) fn verified(seen: &Verified, extent: Verify) {
    match extent {
        Verify::Off => info!(target: Stage::Verify.name(), "off"),
        Verify::Full | Verify::Sample => info!(target: Stage::Verify.name(), "{seen}"),
    }
}

pub(crate) fn revectored(outcome: &Outcome) {
    let Outcome::Moved(p2m, retired) = outcome else {
        warn!(target: Stage::Revector.name(), "p2m=keep: the P2M stays where the builder put it, nothing is cleaned");
        return;
    };
    let from = retired.addresses;
    match (p2m.strategy(), p2m.list_for_toolstack()) {
        (Strategy::Linear, Ok(_)) if retired.fate == Fate::Stays => {
            info!(target: Stage::Revector.name(), "leaves stay at {from}, published as a list");
        }
        (Strategy::Linear, Ok(at)) => {
            info!(target: Stage::Revector.name(), "leaves moved from {from} to {at:#018x}: the same frames, published as a list");
        }
        (Strategy::Linear, Err(why)) => {
            info!(target: Stage::Revector.name(), "leaves stay at {from}: {why}");
        }
        (Strategy::Alias, _) => {
            info!(target: Stage::Revector.name(), "leaves moved from {from} to the same frames in the direct map");
        }
        (Strategy::Copy | Strategy::Baseline | Strategy::Keep, _) => {
            info!(target: Stage::Revector.name(), "leaves moved from {from} to a new list in the direct map");
        }
    }
}

pub(crate) fn not_cleaned() {
    warn!(target: Stage::Cleanup.name(), "cleanup=off: the high mapping stays as the builder made it");
}

pub(crate) fn cleaned(cleaned: &Cleaned, frames: &Frames) {
    let Cleaned { slots, pages, freed, replaced, tables } = cleaned;
    info!(target: Stage::Cleanup.name(), "{slots} L2 entries and {pages} L1 entries gone with {replaced} tables, module area empty");
    if *tables > 0 {
        info!(target: Stage::Cleanup.name(), "the P2M's own mapping dropped, {tables:#x} pages of its tables given back");
    }
    info!(target: Stage::Cleanup.name(), "{freed:#x} pages of the old P2M given back, {:#x} free now", frames.free_pages());
}

pub(crate) fn faulted(at: VirtAddr) {
    info!(target: Stage::Cleanup.name(), "reading the old P2M at {at:#018x} faults, as it must");
}

/// Dumps what is left above the vmalloc range.
pub(crate) fn high_mapping<X: Hypervisor>(tables: &Tables, xen: &X) -> Result<(), MmError> {
    let high = VirtRange::new(area::HIGH, area::HIGH_MAP.bytes + area::MODULES.bytes);
    dump::dump(tables, xen, high, |line| mapping("after", line))?;
    if log::log_enabled!(log::Level::Debug) {
        dump::dump(
            tables,
            xen,
            area::DIRECT_MAP,
            |line| debug!(target: Stage::Dump.name(), "after: {line}"),
        )?;
    }
    Ok(())
}

pub(crate) fn area(area: &Area) {
    info!(target: Stage::Vmalloc.name(), "{} ({} pages), guard page at {:#018x}", area.range(), area.span().pages(), area.guard());
}

pub(crate) fn purged(areas: usize) {
    info!(target: Stage::Vmalloc.name(), "{areas} areas written, read back, unmapped; guards and old addresses fault; all frames returned");
}

pub(crate) fn loaded(modules: &Modules<'_>) {
    info!(target: Stage::Module.name(), "{} loaded", modules.iter().count());
    for line in alloc::format!("{modules}").lines() {
        info!(target: Stage::Module.name(), "list: {line}");
    }
}

/// What the toolstack should find when the domain has ended.
pub(crate) fn digest(digest: &Digest) {
    info!(target: Stage::P2m.name(), "{digest}");
}

pub(crate) fn misnamed(pages: PfnRange, wrong: WrongFrame) {
    let what = match wrong {
        WrongFrame::LeafBefore => "the leaf before",
        WrongFrame::SharedMissing => "the leaf of missing pages",
    };
    warn!(target: Stage::P2m.name(), "the machine-frame tree names {what} for {pages}, as selftest= asks");
}

pub(crate) fn grown(pages: PfnRange) {
    info!(target: Stage::P2m.name(), "{pages} added without frames, and a page moved to the last of them");
}

pub(crate) fn misplaced(at: VirtAddr) {
    warn!(target: Stage::P2m.name(), "the list is published at {at:#018x}, in the direct map, as selftest= asks");
}

/// One measurement of what the machine can do.
pub(crate) fn limit(limit: Limit, nanos: u64) {
    let micros = nanos / 1000;
    match limit {
        Limit::FirstCopy(kib) => info!(target: Stage::Limits.name(), "first copy: {kib} KiB in {micros} us"),
        Limit::Copy(by, kib) => info!(target: Stage::Limits.name(), "copy by {by}: {kib} KiB in {micros} us"),
        Limit::Fill(by, kib) => info!(target: Stage::Limits.name(), "fill by {by}: {kib} KiB in {micros} us"),
        Limit::Read(kib) => {
            info!(target: Stage::Limits.name(), "read of P2M and M2P: {kib} KiB in {micros} us")
        }
        Limit::Idle(calls) => info!(target: Stage::Limits.name(), "empty hypercall: {calls} in {micros} us"),
        Limit::Validation(tables) => {
            info!(target: Stage::Limits.name(), "L1 validation: {tables} in {micros} us")
        }
    }
}

pub(crate) fn refused(error: &BootError) {
    info!(target: Stage::Module.name(), "{error}");
}

pub(crate) fn conformance(line: &str) {
    info!(target: Stage::Conformance.name(), "{line}");
}
