//! Runs conformance programs on scratch pages, and restores everything after each.
//!
//! Scratch pages come from the frame allocator, so nothing else uses them, and breaking page-table rules on them is
//! harmless. Results are words that do not depend on the machine: `ok`, an errno, `fault`, `read`. Another domain's
//! frame is searched for in M2P, which is read directly where Xen maps it and not through the seam, because the seam's
//! lookup is what the programs test.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::op::{At, Entry, Frame, Op, Page, Program};
use pv_memory::error::MmError;
use pv_memory::frames::{Run, Zone};
use pv_memory::growth::Growth;
use pv_memory::memory::Memory;
use pv_memory::p2m::Physmap;
use pv_memory::window::Window;
use xen::abi::{MACH2PHYS_START, MmuExtOp, MmuUpdate};
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, VirtAddr};
use xen::area;
use xen::mmuext;
use xen::pte::{Access, Level, Pte, Reach};
use xen::{Errno, Hypervisor};

/// Pages that programs may number.
const PAGES: u64 = 6;
/// Scratch addresses, far from every area in use.
const SCRATCH: u64 = area::VMALLOC.start.as_u64() + (1 << 40);
/// Scratch addresses with an L1 table.
const SLOTS: u64 = 4;

/// Slot of the L4 table that programs may use: the last of user space, empty.
const ROOT_SLOT: usize = 255;
/// How far from one of its own frames another domain's is searched for, in pages of M2P: 128 GiB, more than any test
/// machine has.
const NEIGHBOURHOOD: u64 = 1 << 16;
/// M2P entries from here on mean that the frame belongs to no domain.
const NO_PFN: u64 = 1 << 52;

struct Lab<'m, X> {
    xen: &'m mut X,
    window: &'m Window,
    p2m: &'m Physmap,
    run: &'m Run,
    mfns: Vec<Mfn>,
    foreign: Option<Mfn>,
    root: Mfn,
}

/// Runs the programs; each line is a name and its results.
///
/// # Errors
/// [`MmError`] if there is no memory for scratch pages.
pub fn run<X: Hypervisor>(
    programs: &[Program],
    memory: &mut Memory<'_>,
    xen: &mut X,
    mut emit: impl FnMut(&str),
) -> Result<(), MmError> {
    let mut growth = Growth::new(memory.tables);
    let table = growth.table(xen, memory.frames, VirtAddr::new(SCRATCH), Level::L1, Reach::Inherit).map(drop);
    growth.commit(table, memory.frames, xen)?;
    let run = memory.frames.take(Zone::Mapped(memory.tables.window()), PAGES)?;
    let window = memory.tables.window();
    let frame = |pfn| memory.p2m.frame(window, xen, pfn).ok_or(MmError::NoFrame { pfn });
    let mfns = run.pages().iter().map(frame).collect::<Result<Vec<_>, _>>()?;
    let (p2m, root) = (memory.p2m, memory.tables.root().mfn);
    let mut lab = Lab { xen, window, p2m, run: &run, mfns, foreign: None, root };
    let is_about_others = |program: &Program| program.ops.iter().any(|op| op.is_about_others());
    if programs.iter().any(is_about_others) {
        lab.foreign = lab.find_foreign();
    }
    for program in programs {
        if is_about_others(program) && lab.foreign.is_none() {
            emit(&format!("{}: no such frame", program.name));
            continue;
        }
        lab.clear();
        let results: Vec<String> = program.ops.iter().map(|op| lab.perform(*op)).collect();
        let end = if lab.restore() { "" } else { ", NOT RESTORED" };
        emit(&format!("{}: {}{end}", program.name, results.join(", ")));
    }
    memory.frames.give_back(run)?;
    Ok(())
}

/// The address of a frame's M2P entry.
const fn m2p_entry(mfn: Mfn) -> VirtAddr {
    VirtAddr::new_truncate(MACH2PHYS_START + mfn.raw() * 8)
}

/// A result as a word.
fn word(result: Result<(), Errno>) -> String {
    result.map_or_else(|errno| errno.to_string(), |()| "ok".to_string())
}

#[expect(unsafe_code, reason = "breaks Xen's rules on purpose, on pages that nobody else uses")]
impl<X: Hypervisor> Lab<'_, X> {
    fn clear(&mut self) {
        for page in 0..PAGES {
            self.window.page_mut(self.xen, self.run, page).fill(0);
        }
    }

    /// Drops every table and mapping that a program left, and makes the pages writable again.
    fn restore(&mut self) -> bool {
        let _ = self.batch(self.root, &[(ROOT_SLOT, Entry::Raw(0))]);
        for slot in 0..SLOTS {
            let _ = self.map(At::Scratch(slot), Entry::Raw(0));
        }
        for page in (0..PAGES).rev() {
            let _ = self.extended(mmuext::UNPIN_TABLE, self.frame(page));
        }
        (0..PAGES).all(|page| self.map(At::Alias(page), Entry::Of(page, DATA)).is_ok())
    }

    fn perform(&mut self, op: Op) -> String {
        match op {
            Op::Protect(page) => word(self.map(At::Alias(page), Entry::Of(page, READ_ONLY))),
            Op::Unprotect(page) => word(self.map(At::Alias(page), Entry::Of(page, DATA))),
            Op::Store(page, index, entry) => self.store(page, index, entry),
            Op::Write(page, index, entry) => self.batch(self.frame(page), &[(index, entry)]),
            Op::Batch(page, writes) => self.batch(self.frame(page), writes),
            Op::Command(page, command, entry) => {
                self.update(self.frame(page).raw() * PAGE_SIZE + command, entry)
            }
            Op::Elsewhere(machine) => self.update(machine, Entry::Raw(0)),
            Op::WriteIn(frame) => self.update(self.mfn(frame).raw() * PAGE_SIZE, Entry::Raw(0)),
            Op::Root(index, entry) => self.batch(self.root, &[(index, entry)]),
            Op::Map(at, entry) => word(self.map(at, entry)),
            Op::Pin(level, page) => word(self.extended(pin(level), self.frame(page))),
            Op::Unpin(page) => word(self.extended(mmuext::UNPIN_TABLE, self.frame(page))),
            Op::Ext(command, page) => word(self.extended(command, self.frame(page))),
            Op::ExtRaw(command, argument) => word(self.extended(command, Mfn::new(argument))),
            Op::ExtOn(command, frame) => word(self.extended(command, self.mfn(frame))),
            Op::Whose(frame) => self.whose(self.mfn(frame)).to_string(),
            Op::Read(at) => self.read(at),
            Op::Word(at) => self.word(at),
            Op::Show(page, index) => self.show(page, index),
        }
    }

    fn frame(&self, page: Page) -> Mfn {
        // Programs number few pages: fits any usize, and the remainder keeps it in range.
        self.mfns[(page % PAGES) as usize]
    }

    fn mfn(&self, frame: Frame) -> Mfn {
        match frame {
            Frame::Own(page) => self.frame(page),
            // Programs that use it run only where there is one.
            Frame::Foreign => self.foreign.unwrap_or(Mfn::new(0)),
            Frame::Number(number) => Mfn::new(number),
        }
    }

    /// Searches nearby for a frame of another domain whose M2P entry has the number of one of this domain's pages.
    /// Domains get their memory in pieces of 2 MiB and more where possible, so a few frames of each page of M2P
    /// suffice.
    fn find_foreign(&mut self) -> Option<Mfn> {
        let own = self.frame(0).raw() / ENTRIES;
        let pages = (0..NEIGHBOURHOOD).flat_map(|step| [own.checked_sub(step), Some(own + step)]);
        for first in pages.flatten().map(|page| page * ENTRIES) {
            // Xen maps M2P in whole pages.
            if self.xen.probe(m2p_entry(Mfn::new(first))).is_err() {
                continue;
            }
            let mut frames = [0, ENTRIES / 2, ENTRIES - 1].into_iter().map(|entry| Mfn::new(first + entry));
            if let Some(mfn) = frames.find(|mfn| self.whose(*mfn) == "not ours") {
                return Some(mfn);
            }
        }
        None
    }

    /// What M2P says about a frame, and what the P2M says about that page.
    fn whose(&mut self, mfn: Mfn) -> &'static str {
        let entry = self.xen.probe(m2p_entry(mfn));
        let Some(pfn) = entry.ok().filter(|pfn| *pfn < NO_PFN).map(Pfn::new) else { return "nobody's" };
        match self.p2m.frame(self.window, self.xen, pfn) {
            Some(frame) if frame == mfn => "ours",
            Some(_) => "not ours",
            None => "not ours, nor is the page",
        }
    }

    fn entry(&self, entry: Entry) -> u64 {
        match entry {
            Entry::Foreign(bits) => (self.mfn(Frame::Foreign).raw() * PAGE_SIZE) | bits,
            Entry::Of(page, bits) => (self.frame(page).raw() * PAGE_SIZE) | bits,
            Entry::Raw(word) => word,
        }
    }

    fn address(&self, at: At) -> VirtAddr {
        match at {
            At::Scratch(slot) => VirtAddr::new_truncate(SCRATCH + slot % SLOTS * PAGE_SIZE),
            At::Alias(page) => self.window.address(self.run.first().plus(page % PAGES)),
            At::Linear(raw) => VirtAddr::new_truncate(raw),
        }
    }

    fn store(&mut self, page: Page, index: usize, entry: Entry) -> String {
        let word = self.entry(entry);
        self.window.page_mut(self.xen, self.run, page)[index] = word;
        "stored".to_string()
    }

    fn map(&mut self, at: At, entry: Entry) -> Result<(), Errno> {
        let (at, entry) = (self.address(at), self.entry(entry));
        // SAFETY: the address shows a scratch page, a scratch address, or one that Xen must refuse.
        unsafe { self.xen.update_va_mapping(at, entry) }
    }

    fn batch(&mut self, table: Mfn, writes: &[(usize, Entry)]) -> String {
        let element = |(index, entry): &(usize, Entry)| MmuUpdate {
            ptr: table.raw() * PAGE_SIZE + *index as u64 * 8,
            val: self.entry(*entry),
        };
        let elements: Vec<MmuUpdate> = writes.iter().map(element).collect();
        self.commit(&elements)
    }

    fn update(&mut self, ptr: u64, entry: Entry) -> String {
        let val = self.entry(entry);
        self.commit(&[MmuUpdate { ptr, val }])
    }

    fn commit(&mut self, elements: &[MmuUpdate]) -> String {
        // SAFETY: the entries are a scratch page's, or ones of the L4 table that map nothing in use.
        match unsafe { self.xen.mmu_update(elements) } {
            Ok(()) => "ok".to_string(),
            Err(stopped) if elements.len() > 1 => format!("{} after {}", stopped.errno, stopped.done),
            Err(stopped) => stopped.errno.to_string(),
        }
    }

    fn extended(&mut self, cmd: u32, frame: Mfn) -> Result<(), Errno> {
        // SAFETY: acts on a scratch page, or is one that Xen must refuse or that changes nothing.
        unsafe { self.xen.mmuext_op(MmuExtOp { cmd, arg1: frame.raw(), arg2: 0 }) }
    }

    fn read(&mut self, at: At) -> String {
        let at = self.address(at);
        self.xen.probe(at).map_or_else(|_| "fault".to_string(), |_| "read".to_string())
    }

    fn word(&mut self, at: At) -> String {
        let at = self.address(at);
        self.xen.probe(at).map_or_else(|_| "fault".to_string(), |word| format!("{word:#x}"))
    }

    /// What an entry means, without the bits that Xen adds.
    fn show(&self, page: Page, index: usize) -> String {
        let entry = Pte::from_word(self.window.word(self.xen, self.run.first().plus(page), index));
        if !entry.is_present() {
            return if entry.is_zero() { "zero" } else { "absent" }.to_string();
        }
        let writable = if entry.is_writable() { "w" } else { "-" };
        let executable = if entry.is_executable() { "x" } else { "-" };
        format!("r{writable}{executable}")
    }
}

const DATA: u64 = Pte::leaf(Mfn::new(0), Access::Data).word();
const READ_ONLY: u64 = Pte::leaf(Mfn::new(0), Access::ReadOnly).word();

const fn pin(level: Level) -> u32 {
    match level {
        Level::L1 => mmuext::PIN_L1_TABLE,
        Level::L2 => mmuext::PIN_L2_TABLE,
        Level::L3 => mmuext::PIN_L3_TABLE,
        Level::L4 => mmuext::PIN_L4_TABLE,
    }
}
