//! Stage 8 of 9: areas of address space, mapped page by page, each followed by a guard page.
//!
//! The addresses of an area are contiguous; its frames need not be. An area lies in the vmalloc range or, for module
//! code that must be near the kernel, in the module area. The guard page is never mapped: running off the end of an
//! area faults instead of reaching the next one. Before a page is mapped its entry must be zero; if it is not,
//! another mapping is in the way, which is how a P2M in the module area is noticed.
//!
//! An [`Area`] is a value. Dropping it puts its number on a list; [`Vmalloc::purge`] unmaps all listed areas and
//! gives their frames back, with one hypercall and one flush for any number of areas that fit a batch.
//!
//! Takes [`ModuleSpace`] from `cleanup`; `module::load` is the main user. Lineage: Linux `__vmalloc_node_range`,
//! `vmap_page_range_noflush`, `module_alloc`.

mod area;
mod protect;
mod span;
mod trim;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use self::area::Id;
pub use self::area::{Area, Rights};
use self::span::Span;
use crate::cleanup::ModuleSpace;
use crate::commit::Batch;
use crate::error::MmError;
use crate::frames::{Frames, Run, give_back};
use crate::growth::{Growth, Place};
use crate::l1_entries::L1Entries;
use crate::memory::Memory;
use crate::p2m::FrameReader;
use crate::tables::{Tables, confirm, pages_of};
use xen::Hypervisor;
use xen::addr::{Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use xen::area::VMALLOC;
use xen::pte::{Access, Level, Pte, Reach};

/// What an area must be close to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// Nothing: it goes to the vmalloc range.
    Nothing,
    /// The kernel's code, within the reach of a 32-bit displacement: it goes to the module area.
    Kernel,
}

/// What an area consists of.
#[derive(Debug)]
struct Record {
    id: Id,
    range: VirtRange,
    runs: Vec<Run>,
}

impl Record {
    /// The addresses of the pages from page `first` on, and the pages mapped there.
    fn pages_from(&self, first: u64) -> impl Iterator<Item = (VirtAddr, Pfn)> {
        let own = self.part(first, u64::MAX).flat_map(PfnRange::iter);
        // Below the number of pages that a domain has: fits any usize.
        pages_of(self.range).skip(first as usize).zip(own)
    }

    /// The addresses, guard page included.
    const fn guarded(&self) -> VirtRange {
        VirtRange::new(self.range.start, self.range.bytes + PAGE_SIZE)
    }
}

/// The areas in use.
#[derive(Debug)]
pub struct Vmalloc {
    modules: ModuleSpace,
    /// Sorted by address.
    records: Vec<Record>,
    dropped: Rc<RefCell<Vec<Id>>>,
    next: Id,
}

impl Vmalloc {
    /// Starts with no area; modules go to `modules`.
    #[must_use]
    pub fn new(modules: ModuleSpace) -> Self {
        Self { modules, records: Vec::new(), dropped: Rc::default(), next: 0 }
    }

    /// Returns the number of areas that are mapped.
    #[must_use]
    pub fn areas(&self) -> usize {
        self.records.len()
    }

    /// Returns the areas that are mapped, lowest first.
    pub fn ranges(&self) -> impl Iterator<Item = VirtRange> {
        self.records.iter().map(|record| record.range)
    }

    /// Maps `pages` fresh pages, readable and writable, in the lowest gap that holds them and a guard page.
    ///
    /// # Errors
    /// [`MmError::Occupied`] if something is mapped there, [`MmError::NoRoom`] or [`MmError::Frames`] if address
    /// space or memory runs out, [`MmError::Mmu`] if Xen refuses. Nothing stays taken then.
    #[inline(never)] // a line of its own in call traces
    pub fn allocate<X: Hypervisor>(
        &mut self,
        place: Near,
        pages: u64,
        memory: &mut Memory<'_>,
        xen: &mut X,
    ) -> Result<Area, MmError> {
        let range = self.gap(place, pages)?;
        let runs = memory.take_mapped(pages, xen, &|runs, memory, xen| {
            check_empty(range, memory.tables, xen)?;
            map(range, runs, memory, xen)
        })?;
        let id = self.next;
        self.next += 1;
        let at = self.records.partition_point(|record| record.range.start < range.start);
        self.records.insert(at, Record { id, range, runs });
        Ok(Area::new(id, Span::new(range.start, pages), &self.dropped))
    }

    /// First fit over the sorted areas.
    fn gap(&self, place: Near, pages: u64) -> Result<VirtRange, MmError> {
        let within = match place {
            Near::Nothing => VMALLOC,
            Near::Kernel => self.modules.range(),
        };
        let bytes = pages.saturating_add(1).saturating_mul(PAGE_SIZE);
        let mut start = within.start.as_u64();
        for record in self.records.iter().filter(|record| within.contains(record.range.start)) {
            if record.range.start.as_u64() - start >= bytes {
                break;
            }
            start = record.guarded().end_raw();
        }
        if within.end_raw() - start < bytes {
            return Err(MmError::NoRoom { within, bytes });
        }
        Ok(VirtRange::new(VirtAddr::new_truncate(start), pages * PAGE_SIZE))
    }

    fn record(&self, area: &Area) -> Result<&Record, MmError> {
        let record = self.records.iter().find(|record| record.id == area.id);
        record.ok_or(MmError::NotMapped { at: area.span.start() })
    }

    /// Unmaps every area that was dropped, and gives its frames back; returns how many areas there were.
    ///
    /// # Errors
    /// [`MmError`] if Xen refuses; the areas stay listed then, and what is still mapped stays mapped.
    pub fn purge<X: Hypervisor>(&mut self, memory: &mut Memory<'_>, xen: &mut X) -> Result<usize, MmError> {
        let dropped = self.dropped.borrow().clone();
        let gone = self.records.iter().filter(|record| dropped.contains(&record.id));
        unmap(gone.flat_map(|record| record.pages_from(0)), memory.tables, xen)?;
        self.dropped.borrow_mut().clear();
        let (gone, kept) =
            self.records.drain(..).partition::<Vec<_>, _>(|record| dropped.contains(&record.id));
        self.records = kept;
        let count = gone.len();
        for record in gone {
            release(record.runs, memory.tables, memory.frames)?;
        }
        Ok(count)
    }
}

/// Gives back pages that have been unmapped from an area and are no longer code or constants.
fn release(runs: Vec<Run>, tables: &mut Tables, frames: &mut Frames) -> Result<(), MmError> {
    runs.iter().for_each(|run| tables.unseal(run.pages()));
    Ok(give_back(runs, frames)?)
}

/// Maps the pages of `runs` from the start of `range`, whose entries are zero: in one hypercall, or, where the tables
/// exist already, in batches that fit the heap. Maps all of them, or none if Xen refuses.
#[inline(never)] // a line of its own in call traces
fn map<X: Hypervisor>(
    range: VirtRange,
    runs: &[Run],
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), MmError> {
    let pages = || pages_of(range).zip(runs.iter().flat_map(|run| run.pages().iter()));
    // A copy, because the tables grow meanwhile: leaves are in pages that are shown now.
    let window = memory.window().clone();
    let mut reader = FrameReader::new(memory.p2m, &window);
    let mut growth = Growth::new(memory.tables);
    let mut leaves = Batch::new();
    let filled = pages().try_for_each(|(at, pfn)| {
        let mfn = reader.frame(xen, pfn)?;
        let mfn = confirm(xen, pfn, mfn)?;
        add_page(&mut growth, &mut leaves, at, mfn, memory.frames, xen)
    });
    let done = growth.commit(filled, memory.frames, xen).and_then(|()| Ok(leaves.commit(xen)?));
    if let Err(error) = done {
        // Part of an area larger than a batch is mapped by now. If unmapping it fails, that error is returned instead.
        unmap(pages(), memory.tables, xen)?;
        return Err(error);
    }
    Ok(())
}

fn add_page<X: Hypervisor>(
    growth: &mut Growth<'_>,
    leaves: &mut Batch,
    at: VirtAddr,
    mfn: Mfn,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    let entry = Pte::leaf(mfn, Access::Data);
    match growth.l1(xen, frames, at, Reach::Inherit)? {
        Place::Fresh(l1) => growth.store(xen, l1, Level::L1.index(at), entry),
        Place::Hooked(l1) => {
            // `check_empty` has checked that it is absent.
            leaves.change(l1.slot(at), Pte::ABSENT, entry);
            Ok(leaves.commit_if_full(xen)?)
        }
    }
}

/// Unmaps whatever is mapped at the addresses, and makes those pages writable again in the direct map where it shows
/// them; takes one hypercall and one flush if a batch holds it all.
fn unmap<X: Hypervisor>(
    pages: impl Iterator<Item = (VirtAddr, Pfn)>,
    tables: &Tables,
    xen: &mut X,
) -> Result<(), MmError> {
    let (mut batch, mut entries) = (Batch::new(), L1Entries::new(tables));
    for (at, pfn) in pages {
        if let Some((slot, before)) = entries.get(xen, at)?.filter(|(_, entry)| !entry.is_zero()) {
            batch.change(slot, before, Pte::ABSENT);
        }
        if tables.is_sealed(pfn) {
            tables.release_alias(xen, &mut batch, pfn)?;
        }
        batch.commit_if_full(xen)?;
    }
    Ok(batch.commit(xen)?)
}

/// Checks that nothing is mapped yet in the area or at its guard page.
#[inline(never)] // a line of its own in call traces
fn check_empty<X: Hypervisor>(range: VirtRange, tables: &Tables, xen: &X) -> Result<(), MmError> {
    let guarded = VirtRange::new(range.start, range.bytes + PAGE_SIZE);
    let mut entries = L1Entries::new(tables);
    for at in pages_of(guarded) {
        if let Some((_, entry)) = entries.get(xen, at)?.filter(|(_, entry)| !entry.is_zero()) {
            log::warn!(target: "vmalloc", "------------[ cut here ]------------");
            log::warn!(target: "vmalloc", "WARNING: L1 entry for {at:#x} is {:#x}, expected zero", entry.word());
            xen.trace();
            log::warn!(target: "vmalloc", "---[ end trace ]---");
            return Err(MmError::Occupied {
                at,
                entry: entry.word(),
                allocated: range.bytes,
                bytes: guarded.bytes,
            });
        }
    }
    Ok(())
}
