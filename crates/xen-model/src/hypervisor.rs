//! What the guest can call: `impl Hypervisor` on modelled memory, each call on the host's heap and counted.
//!
//! Neighbours: `update` and `extended` change tables, `translate` reads by them, `state` keeps what the guest says.

use alloc::vec::Vec;

use crate::builder::Builder;
use crate::heap::{Lease, Running};
use crate::mapping::Use;
use crate::state::Xen;
use crate::watch::Event;
use xen::abi::{MACH2PHYS_BYTES, MACH2PHYS_START, MmuExtOp, MmuUpdate};
use xen::addr::{Mfn, PAGE_SIZE, Pfn, VirtAddr};
use xen::{
    CallKind, Claim, Counters, Errno, Faulted, Gauge, ListState, Lookup, Loop, ModuleNames, PageTables,
    Pages, Platform, PublishedP2m, Stopped, Trapped, Words,
};

impl Xen {
    /// Counts a hypercall that is no batch, and refuses it if that is planned.
    fn count_mmu(&mut self, kind: CallKind) -> Result<(), Errno> {
        self.work.calls.add(kind);
        self.script.next().map_or(Ok(()), |refusal| Err(refusal.errno))
    }

    /// M2P, which every PV guest may read: all ones where nobody has the frame. When Xen has built its initial domain
    /// there is no other; nor in the shim, where M2P keeps what it had for the frames that the rings took the place of.
    fn read_m2p(&self, at: VirtAddr) -> Option<u64> {
        let offset = at.as_u64().checked_sub(MACH2PHYS_START).filter(|offset| *offset < MACH2PHYS_BYTES)?;
        let mfn = Mfn::new(offset / 8);
        let backed = mfn <= self.memory.machine.limit();
        let machine = &self.memory.machine;
        let page = || match self.builder {
            Builder::Toolstack | Builder::Grub => machine.m2p(mfn),
            Builder::Xen => machine.pfn(mfn),
            Builder::Shim => machine.pfn(mfn).or_else(|| machine.scatter.replaced(mfn)),
        };
        backed.then(|| page().map_or(u64::MAX, Pfn::raw))
    }
}

fn pages_from(at: VirtAddr, pages: u64) -> impl Iterator<Item = VirtAddr> {
    assert!(at.as_u64().is_multiple_of(PAGE_SIZE), "{at:#x} is not the start of a page");
    (0..pages).map(move |page| VirtAddr::new_truncate(at.as_u64() + page * PAGE_SIZE))
}

#[expect(unsafe_code, reason = "implements the seam; every access is checked by the modelled tables instead")]
impl PageTables for Xen {
    unsafe fn mmu_update(&mut self, batch: &[MmuUpdate]) -> Result<(), Stopped> {
        let _host = Running::host_for_guest("mmu_update");
        self.work.calls.add(CallKind::Update);
        let outcome = self.update(batch);
        self.happened(Event::Tables);
        outcome
    }

    fn flush_tlb(&mut self) -> Result<(), Errno> {
        let _host = Running::host();
        self.count_mmu(CallKind::Extended)?;
        self.flush();
        Ok(())
    }

    unsafe fn update_va_mapping(&mut self, at: VirtAddr, entry: u64) -> Result<(), Errno> {
        let _host = Running::host();
        self.count_mmu(CallKind::OneEntry)?;
        Self::update_va_mapping(self, at, entry)?;
        self.work.entries += 1;
        self.happened(Event::Tables);
        Ok(())
    }

    unsafe fn mmuext_op(&mut self, op: MmuExtOp) -> Result<(), Errno> {
        let _host = Running::host();
        self.count_mmu(CallKind::Extended)?;
        self.extended(op)
    }
}

impl Lookup for Xen {
    fn m2p(&self, mfn: Mfn) -> Option<Claim> {
        self.memory.machine.m2p(mfn).map(|pfn| Claim::new(mfn, pfn))
    }

    fn owned_pages(&self) -> Option<u64> {
        Some(self.memory.machine.owned_pages())
    }

    fn probe(&self, at: VirtAddr) -> Result<u64, Faulted> {
        let _host = Running::host();
        if let Some(word) = self.read_m2p(at) {
            return Ok(word);
        }
        let mfn = self.translate(at, Use::Read).map_err(|_| Faulted)?;
        Ok(self.memory.word(mfn, (at.as_u64() % PAGE_SIZE / 8) as usize))
    }
}

#[expect(unsafe_code, reason = "implements the seam; every access is checked by the modelled tables instead")]
impl Pages for Xen {
    unsafe fn word(&self, at: VirtAddr) -> u64 {
        let _host = Running::host();
        assert!(at.as_u64().is_multiple_of(8), "{at:#x} is not aligned for a word");
        self.memory.word(self.must_translate(at, Use::Read), (at.as_u64() % PAGE_SIZE / 8) as usize)
    }

    unsafe fn page(&self, at: VirtAddr) -> Words {
        let _host = Running::host();
        assert!(at.as_u64().is_multiple_of(PAGE_SIZE), "{at:#x} is not the start of a page");
        self.memory.words(self.must_translate(at, Use::Read)).into_owned()
    }

    unsafe fn differences(&self, at: VirtAddr, row: xen::Row) -> u64 {
        let _host = Running::host();
        let index = (at.as_u64() % PAGE_SIZE / 8) as usize;
        let mut words = self.memory.words(self.must_translate(at, Use::Read)).into_owned();
        if index > 0 {
            let next = self.must_translate(at.align_down(PAGE_SIZE) + PAGE_SIZE, Use::Read);
            words.rotate_left(index);
            words[512 - index..].copy_from_slice(&self.memory.words(next)[..index]);
        }
        row.differences(&words)
    }

    /// The ramdisk lies in one piece here; anything else is copied, and the copy kept forever.
    unsafe fn bytes<'r>(&self, at: VirtAddr, len: usize) -> &'r [u8] {
        let _host = Running::host();
        let pages = pages_from(at, (len as u64).div_ceil(PAGE_SIZE));
        let frames: Vec<Mfn> = pages.map(|at| self.must_translate(at, Use::Read)).collect();
        let first = frames.first().and_then(|mfn| self.memory.ramdisk_number(*mfn)).unwrap_or(0);
        let is_ramdisk = |(page, mfn): (usize, &Mfn)| self.memory.ramdisk_number(*mfn) == Some(first + page);
        if frames.iter().enumerate().all(is_ramdisk) {
            return &self.memory.ramdisk()[first * PAGE_SIZE as usize..][..len];
        }
        let words = frames.iter().flat_map(|mfn| self.memory.words(*mfn).into_owned());
        let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).take(len).collect();
        Vec::leak(bytes)
    }

    unsafe fn set_word(&mut self, at: VirtAddr, word: u64) {
        let _host = Running::host();
        let mfn = self.must_translate(at, Use::Write);
        self.memory.words_mut(mfn)[(at.as_u64() % PAGE_SIZE / 8) as usize] = word;
    }

    unsafe fn page_mut(&mut self, at: VirtAddr) -> &mut Words {
        let _host = Running::host();
        assert!(at.as_u64().is_multiple_of(PAGE_SIZE), "{at:#x} is not the start of a page");
        let mfn = self.must_translate(at, Use::Write);
        self.memory.words_mut(mfn)
    }

    unsafe fn copy_pages(&mut self, from: VirtAddr, to: VirtAddr, pages: u64) {
        let _host = Running::host();
        for (from, to) in pages_from(from, pages).zip(pages_from(to, pages)) {
            let source = self.must_translate(from, Use::Read);
            let target = self.must_translate(to, Use::Write);
            assert_ne!(source, target, "{from:#x} and {to:#x} are the same frame");
            self.memory.copy(source, target);
        }
        self.work.copied += pages * PAGE_SIZE;
    }

    unsafe fn copy_words(&mut self, from: VirtAddr, to: VirtAddr, words: usize) {
        let _host = Running::host();
        let place = |at: VirtAddr| (at.align_down(PAGE_SIZE), (at.as_u64() % PAGE_SIZE / 8) as usize);
        let ((from, first), (to, at)) = (place(from), place(to));
        let source = *self.memory.words(self.must_translate(from, Use::Read));
        let target = self.must_translate(to, Use::Write);
        self.memory.words_mut(target)[at..at + words].copy_from_slice(&source[first..first + words]);
    }

    unsafe fn fill_pages(&mut self, at: VirtAddr, pages: u64, word: u64) {
        let _host = Running::host();
        for at in pages_from(at, pages) {
            let mfn = self.must_translate(at, Use::Write);
            self.memory.fill(mfn, word);
        }
        self.work.filled += pages * PAGE_SIZE;
    }

    unsafe fn lend(&mut self, _at: VirtAddr, pages: u64) {
        let _host = Running::host();
        self.heap.iter().for_each(|heap| heap.lend(pages));
    }

    fn take_back(&mut self) -> bool {
        let _host = Running::host();
        self.heap.as_ref().is_none_or(Lease::take_back)
    }
}

#[expect(unsafe_code, reason = "implements the seam; every access is checked by the modelled tables instead")]
impl Platform for Xen {
    unsafe fn call(&mut self, entry: VirtAddr) -> Result<i32, Trapped> {
        let _host = Running::host();
        self.must_translate(entry, Use::Execute);
        self.happened(Event::Call);
        self.called.push(entry);
        self.answers.pop_front().unwrap_or(Ok(0))
    }

    fn learn_names(&mut self, names: ModuleNames) {
        let _host = Running::host();
        self.names.retain(|known| known.range.start != names.range.start);
        self.names.push(names);
    }

    fn forget_names(&mut self, at: VirtAddr) {
        let _host = Running::host();
        self.names.retain(|known| !known.range.contains(at));
    }

    fn publish_p2m(&mut self, p2m: PublishedP2m) {
        let _host = Running::host();
        self.published = Some(p2m);
    }

    fn set_list_state(&mut self, state: ListState) {
        let _host = Running::host();
        let odd = self.generation | 1;
        self.generation = match state {
            ListState::Changing => odd,
            ListState::Stable => odd + 1,
        };
    }

    unsafe fn use_direct_map(&mut self, direct_map_base: VirtAddr) {
        let _host = Running::host_for_guest("the end of stage 4");
        self.direct_map_base = Some(direct_map_base);
    }

    fn trace(&self) {
        let _host = Running::host();
        log::warn!(target: "trace", "(no call trace on the host)");
    }

    fn counters(&self) -> Counters {
        let _host = Running::host();
        let nanos = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Counters { nanos, ..self.work }
    }
}

#[expect(unsafe_code, reason = "implements the seam; every access is checked by the modelled tables instead")]
impl Gauge for Xen {
    unsafe fn copy_pages_by(&mut self, _: Loop, from: VirtAddr, to: VirtAddr, pages: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { self.copy_pages(from, to, pages) }
    }

    unsafe fn fill_pages_by(&mut self, _: Loop, at: VirtAddr, pages: u64, word: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { self.fill_pages(at, pages, word) }
    }
}
