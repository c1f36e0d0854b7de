//! One domain on a modelled Xen: its state, and what a test may ask of it and plan for it.
//!
//! The rules are in the files that share this state: `types`, `update`, `extended`, `translate`, `flushes`, `guest`;
//! the guest reaches them through `hypervisor`.

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use std::time::Instant;

use crate::builder::{Builder, Hardware};
use crate::faults::{Refusal, Script};
use crate::heap::Lease;
use crate::kind::Kind;
use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::memory::Memory;
use crate::outside::Outside;
use crate::tlb::Tlb;
use crate::uses::Uses;
use crate::watch::{Event, Watchers};
use xen::addr::{Mfn, Pfn, VirtAddr};
use xen::start_info::Facts;
use xen::{Counters, ModuleNames, PublishedP2m, Trapped, Words};

/// One domain on a modelled Xen.
pub struct Xen {
    pub(crate) memory: Memory,
    pub(crate) uses: Uses,
    pub(crate) builder: Builder,
    pub(crate) hardware: Hardware,
    pub(crate) root: Mfn,
    pub(crate) shared_info: Mfn,
    pub(crate) tlb: RefCell<Tlb>,
    pub(crate) flushes: RefCell<Ledger>,
    pub(crate) facts: Option<Facts>,
    pub(crate) script: Script,
    pub(crate) work: Counters,
    /// What guest code allocates from, once it has run.
    pub(crate) heap: Option<Lease>,
    pub(crate) since: Instant,
    pub(crate) published: Option<PublishedP2m>,
    pub(crate) generation: u64,
    pub(crate) direct_map_base: Option<VirtAddr>,
    pub(crate) called: Vec<VirtAddr>,
    pub(crate) answers: VecDeque<Result<i32, Trapped>>,
    pub(crate) watchers: Watchers<Self>,
    pub(crate) outside: Outside,
    /// Names of modules' functions: the image keeps them, so they stay in the guest's heap.
    pub(crate) names: Vec<ModuleNames>,
}

/// Short: a failed test prints it.
impl fmt::Debug for Xen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { builder, root, published, .. } = self;
        write!(f, "Xen({builder:?}, root {root}, {published:?}, {} hypercalls)", self.work.calls.all())
    }
}

impl Xen {
    pub(crate) fn new(memory: Memory, builder: Builder, hardware: Hardware, root: Mfn) -> Self {
        let shared_info = memory.machine.limit();
        let mut xen = Self {
            uses: Uses::new(memory.list_groups()),
            memory,
            builder,
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
            generation: 0,
            direct_map_base: None,
            called: Vec::new(),
            answers: VecDeque::new(),
            watchers: Watchers::NOBODY,
            outside: Outside::default(),
            names: Vec::new(),
        };
        xen.hold(shared_info);
        xen
    }

    /// Makes a page's frame one that Xen itself holds.
    pub(crate) fn share(&mut self, pfn: Pfn) {
        let mfn = self.memory.machine.mfn(pfn).expect("builders place nothing in a hole");
        self.hold(mfn);
    }

    /// Mirrors `share_xen_page_with_guest`: Xen holds the frame as writable, it can never be a table.
    fn hold(&mut self, mfn: Mfn) {
        self.typed(mfn, Kind::Writable).count += 1;
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

    /// Returns `p2m_generation`.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns what the guest published for the toolstack.
    #[must_use]
    pub const fn published(&self) -> Option<PublishedP2m> {
        self.published
    }

    /// Returns where the guest said the direct map is.
    #[must_use]
    pub const fn direct_map_base(&self) -> Option<VirtAddr> {
        self.direct_map_base
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
    pub fn frame(&self, mfn: Mfn) -> Cow<'_, Words> {
        self.memory.words(mfn)
    }

    /// Reads one word of a frame from outside the domain: cheaper than the frame if nobody has written it.
    #[must_use]
    pub fn word(&self, mfn: Mfn, index: usize) -> u64 {
        self.memory.word(mfn, index)
    }

    /// Damages a frame from outside the domain, past all checks.
    pub fn frame_mut(&mut self, mfn: Mfn) -> &mut Words {
        self.memory.words_mut(mfn)
    }

    /// Stores what follows from a rule, as if somebody had written it; nothing else changes.
    #[cfg(test)]
    pub(crate) fn store_everything(&mut self) {
        self.memory.store();
        for number in 0..self.memory.list_groups() * xen::addr::ENTRIES {
            if let Some(mfn) = self.memory.list_frame(number).filter(|mfn| self.kind(*mfn).is_some()) {
                self.typed(mfn, Kind::Writable);
            }
        }
    }

    /// Tells whether the domain may map a frame.
    pub(crate) fn owns(&self, mfn: Mfn) -> bool {
        mfn == self.shared_info || self.memory.machine.pfn(mfn).is_some()
    }

    /// Has `watch` look at the machine after each event from now on; it panics if it does not like what it sees.
    pub const fn watch(&mut self, watch: fn(&Self, Event)) {
        self.watchers.watch = Some(watch);
    }

    /// Has `tamper` change the machine after each hypercall from now on, before any watch is called: what an error of
    /// the kernel would do.
    pub const fn tamper(&mut self, tamper: fn(&mut Self)) {
        self.watchers.tamper = Some(tamper);
    }

    pub(crate) fn happened(&mut self, event: Event) {
        if let Some(tamper) = self.watchers.tamper.filter(|_| event == Event::Tables) {
            tamper(self);
        }
        if let Some(watch) = self.watchers.watch {
            watch(self, event);
        }
    }
}
