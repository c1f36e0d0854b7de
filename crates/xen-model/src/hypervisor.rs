//! The model itself: `impl Hypervisor` on modelled memory.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use std::time::Instant;

use crate::builder::Hardware;
use crate::faults::{Refusal, Script};
use crate::flushes::Ledger;
use crate::heap::{Lease, Running};
use crate::machine::Machine;
use crate::memory::{FrameMap, Memory};
use crate::translate::{Mapping, Use};
use crate::types::{Kind, Pin, Typed};
use crate::watch::{Event, Watchers};
use xen::abi::{MACH2PHYS_BYTES, MACH2PHYS_START, MmuExtOp, MmuUpdate};
use xen::addr::{Mfn, PAGE_SIZE, Pfn, VirtAddr};
use xen::start_info::{Facts, Role};
use xen::{
    CallKind, Claim, Counters, Errno, Faulted, Hypervisor, Loop, ModuleNames, Stopped, Trapped, Words,
};

/// Where the guest said its P2M is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// `pfn_to_mfn_frame_list_list`.
    pub top: Mfn,
    /// `max_pfn`.
    pub entries: u64,
}

/// One domain on a modelled Xen.
pub struct Xen {
    pub(crate) memory: Memory,
    pub(crate) types: FrameMap<Typed>,
    pub(crate) role: Role,
    pub(crate) hardware: Hardware,
    pub(crate) root: Mfn,
    pub(crate) shared_info: Mfn,
    pub(crate) tlb: RefCell<FrameMap<Mapping>>,
    pub(crate) flushes: RefCell<Ledger>,
    pub(crate) facts: Option<Facts>,
    pub(crate) script: Script,
    pub(crate) work: Counters,
    /// What guest code allocates from, once it has run.
    pub(crate) heap: Option<Lease>,
    since: Instant,
    published: Option<Published>,
    rehomed: Option<VirtAddr>,
    called: Vec<VirtAddr>,
    answers: VecDeque<Result<i32, Trapped>>,
    pub(crate) watchers: Watchers,
    /// Names of modules' functions: the image keeps them, so they stay in the guest's heap.
    names: Vec<ModuleNames>,
}

/// Short: a failed test prints it.
impl fmt::Debug for Xen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, root, published, .. } = self;
        write!(f, "Xen({role:?}, root {root}, {published:?}, {} hypercalls)", self.work.calls.all())
    }
}

impl Xen {
    pub(crate) fn new(memory: Memory, role: Role, hardware: Hardware, root: Mfn) -> Self {
        let shared_info = memory.machine.limit();
        let mut types = FrameMap::default();
        // Mirrors `share_xen_page_with_guest`: Xen itself holds it as writable, it can never be a table.
        types.insert(shared_info.raw(), Typed { kind: Kind::Writable, count: 1, pin: Pin::Loose });
        Self {
            memory,
            types,
            role,
            hardware,
            root,
            shared_info,
            tlb: RefCell::default(),
            flushes: RefCell::default(),
            facts: None,
            script: Script::default(),
            work: Counters::default(),
            heap: None,
            since: Instant::now(),
            published: None,
            rehomed: None,
            called: Vec::new(),
            answers: VecDeque::new(),
            watchers: Watchers::default(),
            names: Vec::new(),
        }
    }

    /// Plans to refuse a hypercall, besides those planned before.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.script.refuse(refusal);
    }

    /// Returns the number of hypercalls that could have been refused so far.
    #[must_use]
    pub const fn issued(&self) -> u64 {
        self.script.issued()
    }

    /// Plans what the next `call`s return; 0 when the list is used up.
    pub fn answer(&mut self, answers: impl IntoIterator<Item = i32>) {
        self.answers.extend(answers.into_iter().map(Ok));
    }

    /// Plans that the next `call` ends with an exception, after the answers planned so far.
    pub fn trap(&mut self, trapped: Trapped) {
        self.answers.push_back(Err(trapped));
    }

    /// Returns the addresses called so far.
    #[must_use]
    pub fn called(&self) -> &[VirtAddr] {
        &self.called
    }

    /// Returns what the guest published for the toolstack.
    #[must_use]
    pub const fn published(&self) -> Option<Published> {
        self.published
    }

    /// Returns where the guest said the direct map is.
    #[must_use]
    pub const fn rehomed(&self) -> Option<VirtAddr> {
        self.rehomed
    }

    /// Returns the machine's frames: who owns which.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.memory.machine
    }

    /// Returns the frame of the L4 table in use.
    #[must_use]
    pub const fn root(&self) -> Mfn {
        self.root
    }

    /// Reads a frame from outside the domain, as a toolstack does.
    #[must_use]
    pub fn frame(&self, mfn: Mfn) -> &Words {
        self.memory.words(mfn)
    }

    /// Damages a frame from outside the domain, past all checks.
    pub fn frame_mut(&mut self, mfn: Mfn) -> &mut Words {
        self.memory.words_mut(mfn)
    }

    /// Tells whether the domain may map a frame.
    pub(crate) fn owns(&self, mfn: Mfn) -> bool {
        mfn == self.shared_info || self.memory.machine.pfn(mfn).is_some()
    }

    /// Counts a hypercall that is no batch, and refuses it if that is planned.
    fn count_mmu(&mut self, kind: CallKind) -> Result<(), Errno> {
        self.work.calls.add(kind);
        self.script.next().map_or(Ok(()), |refusal| Err(refusal.errno))
    }

    /// M2P, which every PV guest may read: all ones where nobody has the frame. When Xen has built its initial domain
    /// there is no other.
    fn read_m2p(&self, at: VirtAddr) -> Option<u64> {
        let offset = at.as_u64().checked_sub(MACH2PHYS_START).filter(|offset| *offset < MACH2PHYS_BYTES)?;
        let mfn = Mfn::new(offset / 8);
        let backed = mfn <= self.memory.machine.limit();
        let page = || match self.role {
            Role::Guest => self.memory.machine.m2p(mfn),
            Role::InitialDomain => self.memory.machine.pfn(mfn),
        };
        backed.then(|| page().map_or(u64::MAX, Pfn::raw))
    }
}

fn pages_from(at: VirtAddr, pages: u64) -> impl Iterator<Item = VirtAddr> {
    assert!(at.as_u64().is_multiple_of(PAGE_SIZE), "{at:#x} is not the start of a page");
    (0..pages).map(move |page| VirtAddr::new_truncate(at.as_u64() + page * PAGE_SIZE))
}

#[expect(unsafe_code, reason = "implements the seam; every access is checked by the modelled tables instead")]
impl Hypervisor for Xen {
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

    fn m2p(&self, mfn: Mfn) -> Option<Claim> {
        self.memory.machine.m2p(mfn).map(|pfn| Claim::new(mfn, pfn))
    }

    fn probe(&self, at: VirtAddr) -> Result<u64, Faulted> {
        let _host = Running::host();
        if let Some(word) = self.read_m2p(at) {
            return Ok(word);
        }
        let mfn = self.translate(at, Use::Read).map_err(|_| Faulted)?;
        Ok(self.memory.words(mfn)[(at.as_u64() % PAGE_SIZE / 8) as usize])
    }

    unsafe fn word(&self, at: VirtAddr) -> u64 {
        let _host = Running::host();
        assert!(at.as_u64().is_multiple_of(8), "{at:#x} is not aligned for a word");
        self.memory.words(self.must_translate(at, Use::Read))[(at.as_u64() % PAGE_SIZE / 8) as usize]
    }

    unsafe fn page(&self, at: VirtAddr) -> Words {
        let _host = Running::host();
        assert!(at.as_u64().is_multiple_of(PAGE_SIZE), "{at:#x} is not the start of a page");
        *self.memory.words(self.must_translate(at, Use::Read))
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
        let words = frames.iter().flat_map(|mfn| self.memory.words(*mfn));
        let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).take(len).collect();
        Vec::leak(bytes)
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

    unsafe fn fill_pages(&mut self, at: VirtAddr, pages: u64, word: u64) {
        let _host = Running::host();
        for at in pages_from(at, pages) {
            let mfn = self.must_translate(at, Use::Write);
            self.memory.fill(mfn, word);
        }
        self.work.filled += pages * PAGE_SIZE;
    }

    unsafe fn copy_pages_by(&mut self, _: Loop, from: VirtAddr, to: VirtAddr, pages: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { self.copy_pages(from, to, pages) }
    }

    unsafe fn fill_pages_by(&mut self, _: Loop, at: VirtAddr, pages: u64, word: u64) {
        // SAFETY: the caller's clause is the callee's.
        unsafe { self.fill_pages(at, pages, word) }
    }

    unsafe fn lend(&mut self, _at: VirtAddr, pages: u64) {
        let _host = Running::host();
        self.heap.iter().for_each(|heap| heap.lend(pages));
    }

    fn take_back(&mut self) -> bool {
        let _host = Running::host();
        self.heap.as_ref().is_none_or(Lease::take_back)
    }

    unsafe fn call(&mut self, entry: VirtAddr) -> Result<i32, Trapped> {
        let _host = Running::host();
        self.must_translate(entry, Use::Execute);
        self.happened(Event::Call);
        self.called.push(entry);
        self.answers.pop_front().unwrap_or(Ok(0))
    }

    fn publish_p2m(&mut self, top: Mfn, entries: u64) {
        let _host = Running::host();
        self.published = Some(Published { top, entries });
    }

    fn rehome(&mut self, direct_map_base: VirtAddr) {
        let _host = Running::host_for_guest("the end of stage 4");
        self.rehomed = Some(direct_map_base);
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
