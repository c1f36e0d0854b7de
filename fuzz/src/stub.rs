//! The least hypervisor that start_info can be parsed with: it knows an M2P and a list, and nothing else.

use xen::abi::{MmuExtOp, MmuUpdate};
use xen::addr::{Mfn, Pfn, VirtAddr};
use xen::{Claim, Counters, Errno, Faulted, Hypervisor, Loop, Stopped, Trapped, Words};

const ONLY_M2P: &str = "stages 1 and 2 ask for nothing but M2P and the list";

/// Machine whose frames from `first` on are the domain's, in order.
#[derive(Clone, Copy, Debug)]
pub struct Stub {
    /// Machine frame of page 0.
    pub first: u64,
    /// Pages of the domain.
    pub pages: u64,
    /// Where the list is.
    pub list: u64,
}

impl Hypervisor for Stub {
    fn m2p(&self, mfn: Mfn) -> Option<Claim> {
        let pfn = mfn.raw().checked_sub(self.first).filter(|pfn| *pfn < self.pages)?;
        Some(Claim::new(mfn, Pfn::new(pfn)))
    }

    unsafe fn mmu_update(&mut self, _: &[MmuUpdate]) -> Result<(), Stopped> {
        unreachable!("{ONLY_M2P}")
    }

    fn flush_tlb(&mut self) -> Result<(), Errno> {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn update_va_mapping(&mut self, _: VirtAddr, _: u64) -> Result<(), Errno> {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn mmuext_op(&mut self, _: MmuExtOp) -> Result<(), Errno> {
        unreachable!("{ONLY_M2P}")
    }

    fn probe(&self, at: VirtAddr) -> Result<u64, Faulted> {
        let offset = at.as_u64().checked_sub(self.list).ok_or(Faulted)?;
        if offset < self.pages * 8 { Ok(self.first + offset / 8) } else { Err(Faulted) }
    }

    unsafe fn word(&self, _: VirtAddr) -> u64 {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn page(&self, _: VirtAddr) -> Words {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn bytes<'r>(&self, _: VirtAddr, _: usize) -> &'r [u8] {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn page_mut(&mut self, _: VirtAddr) -> &mut Words {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn copy_pages(&mut self, _: VirtAddr, _: VirtAddr, _: u64) {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn fill_pages(&mut self, _: VirtAddr, _: u64, _: u64) {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn copy_pages_by(&mut self, _: Loop, _: VirtAddr, _: VirtAddr, _: u64) {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn fill_pages_by(&mut self, _: Loop, _: VirtAddr, _: u64, _: u64) {
        unreachable!("{ONLY_M2P}")
    }

    unsafe fn call(&mut self, _: VirtAddr) -> Result<i32, Trapped> {
        unreachable!("{ONLY_M2P}")
    }

    fn publish_p2m(&mut self, _: Mfn, _: u64) {
        unreachable!("{ONLY_M2P}")
    }

    fn rehome(&mut self, _: VirtAddr) {
        unreachable!("{ONLY_M2P}")
    }

    fn trace(&self) {
        unreachable!("{ONLY_M2P}")
    }

    fn counters(&self) -> Counters {
        unreachable!("{ONLY_M2P}")
    }
}
