//! The seam on real Xen: `impl Hypervisor` with hypercalls and raw pointers.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::abi::{MACH2PHYS_START, MmuExtOp, MmuUpdate};
use crate::addr::{Mfn, PAGE_SIZE, Pfn, VirtAddr};
use crate::mmuext;
use crate::{
    Claim, Counters, Errno, Faulted, Gauge, ListState, Lookup, Loop, ModuleNames, PageTables, Pages,
    Platform, PublishedP2m, Row, Stopped, Trapped, Words,
};

use super::store::Store;
use super::{
    clock, console, guard, heap, hypercall, loops, memory, module_names, probe, shared, trace, volatile,
};

/// The L4 table's page, and the base of the mapping that shows it, for a walk while dying.
static ROOT_PFN: AtomicU64 = AtomicU64::new(u64::MAX);
static ROOT_BASE: AtomicU64 = AtomicU64::new(0);
/// Machine frames that M2P has entries for.
static MFN_LIMIT: AtomicU64 = AtomicU64::new(0);

/// M2P entries from here on mean that the frame is not a domain's RAM: all ones, or another sentinel of Xen's.
const NO_PFN: u64 = 1 << 52;

const fn m2p_address(mfn: u64) -> VirtAddr {
    VirtAddr::new_truncate(MACH2PHYS_START + mfn * 8)
}

/// The hypervisor that the image runs on.
#[derive(Debug)]
pub struct Live {
    entries: u64,
    copied: u64,
    filled: u64,
    pub(super) store: Option<Store>,
}

impl Live {
    /// Asks Xen how far M2P reaches; `root` is the page of the L4 table.
    pub fn start(root: Pfn, base: VirtAddr) -> Result<Self, Errno> {
        MFN_LIMIT.store(hypercall::maximum_ram_page()? + 1, Ordering::Relaxed);
        ROOT_PFN.store(root.raw(), Ordering::Relaxed);
        ROOT_BASE.store(base.as_u64(), Ordering::Relaxed);
        Ok(Self::view())
    }

    /// A view for lookups only: its counters start at zero.
    pub const fn view() -> Self {
        Self { entries: 0, copied: 0, filled: 0, store: None }
    }

    /// The L4 table's page, and the base of the mapping that shows it.
    pub fn root() -> Option<(Pfn, VirtAddr)> {
        let (pfn, base) = (ROOT_PFN.load(Ordering::Relaxed), ROOT_BASE.load(Ordering::Relaxed));
        (pfn != u64::MAX).then(|| (Pfn::new(pfn), VirtAddr::new_truncate(base)))
    }
}

impl PageTables for Live {
    unsafe fn mmu_update(&mut self, batch: &[MmuUpdate]) -> Result<(), Stopped> {
        // SAFETY: the caller's clause is the callee's.
        let result = unsafe { hypercall::mmu_update(batch) };
        let done = result.map_or_else(|(done, _)| done as usize, |()| batch.len());
        self.entries += done as u64;
        result.map_err(|(_, errno)| Stopped { done, errno })
    }

    fn flush_tlb(&mut self) -> Result<(), Errno> {
        // SAFETY: a flush changes no mapping.
        unsafe { hypercall::mmuext_op(MmuExtOp { cmd: mmuext::TLB_FLUSH_LOCAL, arg1: 0, arg2: 0 }) }
    }

    unsafe fn update_va_mapping(&mut self, at: VirtAddr, entry: u64) -> Result<(), Errno> {
        // SAFETY: the caller's clause is the callee's.
        unsafe { hypercall::update_va_mapping(at.as_u64(), entry) }?;
        self.entries += 1;
        Ok(())
    }

    unsafe fn mmuext_op(&mut self, op: MmuExtOp) -> Result<(), Errno> {
        // SAFETY: the caller's clause is the callee's.
        unsafe { hypercall::mmuext_op(op) }
    }
}

impl Lookup for Live {
    fn m2p(&self, mfn: Mfn) -> Option<Claim> {
        if mfn.raw() >= MFN_LIMIT.load(Ordering::Relaxed) {
            return None;
        }
        let pfn = probe::read(m2p_address(mfn.raw())).ok().filter(|pfn| *pfn < NO_PFN)?;
        Some(Claim::new(mfn, Pfn::new(pfn)))
    }

    fn m2p_names_row(&self, first: Mfn, page: Pfn) -> bool {
        let start = first.raw();
        if start >= MFN_LIMIT.load(Ordering::Relaxed).saturating_sub(511) {
            return false;
        }
        // Xen maps M2P in whole pages: if the first and the last of 512 entries can be read, so can the others.
        if [start, start + 511].iter().any(|mfn| probe::read(m2p_address(*mfn)).is_err()) {
            return false;
        }
        // SAFETY: mapped (probed above).
        unsafe { loops::differences(m2p_address(start), Row::of_pages(page)) == 0 }
    }

    fn owned_pages(&self) -> Option<u64> {
        hypercall::current_reservation().ok()
    }

    fn probe(&self, at: VirtAddr) -> Result<u64, Faulted> {
        probe::read(at)
    }
}

impl Pages for Live {
    unsafe fn word(&self, at: VirtAddr) -> u64 {
        // SAFETY: the caller's clause; any bit pattern is a word.
        unsafe { volatile::read(at) }
    }

    unsafe fn page(&self, at: VirtAddr) -> Words {
        // SAFETY: the caller's clause; any bit pattern is a word.
        unsafe { volatile::read_page(at) }
    }

    unsafe fn differences(&self, at: VirtAddr, row: Row) -> u64 {
        // SAFETY: the caller's clause is the callee's.
        unsafe { loops::differences(at, row) }
    }

    unsafe fn bytes<'r>(&self, at: VirtAddr, len: usize) -> &'r [u8] {
        // SAFETY: the caller's clause; any bit pattern is a byte.
        unsafe { core::slice::from_raw_parts(at.as_ptr(), len) }
    }

    unsafe fn set_word(&mut self, at: VirtAddr, word: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { volatile::write(at, word) }
    }

    unsafe fn page_mut(&mut self, at: VirtAddr) -> &mut Words {
        // SAFETY: the caller's clause; any bit pattern is a word, and a page is aligned for words.
        unsafe { &mut *at.as_mut_ptr() }
    }

    unsafe fn copy_pages(&mut self, from: VirtAddr, to: VirtAddr, pages: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { self.copy_pages_by(memory::copier(), from, to, pages) }
    }

    unsafe fn copy_words(&mut self, from: VirtAddr, to: VirtAddr, words: usize) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { loops::copy_part(from, to, words) }
    }

    unsafe fn fill_pages(&mut self, at: VirtAddr, pages: u64, word: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { self.fill_pages_by(memory::filler(), at, pages, word) }
    }

    unsafe fn lend(&mut self, at: VirtAddr, pages: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { heap::lend(at, pages) }
    }

    fn take_back(&mut self) -> bool {
        heap::take_back()
    }
}

impl Platform for Live {
    unsafe fn call(&mut self, entry: VirtAddr) -> Result<i32, Trapped> {
        // SAFETY: the caller's clause is the callee's.
        unsafe { guard::call(entry) }
    }

    fn learn_names(&mut self, names: ModuleNames) {
        module_names::learn(names);
    }

    fn forget_names(&mut self, at: VirtAddr) {
        module_names::forget(at);
    }

    fn publish_p2m(&mut self, p2m: PublishedP2m) {
        shared::publish_p2m(p2m);
    }

    fn set_list_state(&mut self, state: ListState) {
        shared::set_list_state(state);
    }

    unsafe fn use_direct_map(&mut self, direct_map_base: VirtAddr) {
        ROOT_BASE.store(direct_map_base.as_u64(), Ordering::Relaxed);
        console::move_to(direct_map_base);
    }

    fn trace(&self) {
        trace::print_callers();
    }

    fn counters(&self) -> Counters {
        let Self { entries, copied, filled, .. } = *self;
        Counters { nanos: clock::nanos(), calls: hypercall::counts(), entries, copied, filled }
    }
}

impl Gauge for Live {
    fn read_m2p_page(&self, mfn: Mfn) -> u64 {
        let first = mfn.raw() / 512 * 512;
        if mfn.raw() >= MFN_LIMIT.load(Ordering::Relaxed) || probe::read(m2p_address(first)).is_err() {
            return 0;
        }
        (first..first + 512).fold(0, |sum: u64, mfn| {
            // SAFETY: as in `m2p_names_row`, and read one by one, because Xen writes entries at any time.
            sum.wrapping_add(unsafe { volatile::read(m2p_address(mfn)) })
        })
    }

    unsafe fn copy_pages_by(&mut self, by: Loop, from: VirtAddr, to: VirtAddr, pages: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { loops::copy(by, from, to, pages) };
        self.copied += pages * PAGE_SIZE;
    }

    unsafe fn fill_pages_by(&mut self, by: Loop, at: VirtAddr, pages: u64, word: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { loops::fill(by, at, pages, word) };
        self.filled += pages * PAGE_SIZE;
    }

    fn idle(&mut self) {
        // Xen always answers; the answer does not matter.
        let _ = hypercall::xen_version();
    }
}
