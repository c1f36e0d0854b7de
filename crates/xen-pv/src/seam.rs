//! The seam: all that the boot needs from the hypervisor and from its own address space, in one file.
//!
//! The library reaches the outside only through [`Hypervisor`], which is four traits: code that needs only one of them
//! names that one, and can be tested with a stand-in for it. [`Gauge`] is separate: only measurements use it. An image
//! implements the traits with real hypercalls and raw pointers (`rt::live`); on the host, a model of Xen does. The
//! unsafe methods are called from `pv_memory::window` (memory), `pv_memory::commit` (page tables) and `module::call`
//! (running a module), whose types carry the proof obligations, and from `conformance`, which breaks Xen's rules on
//! purpose on pages of its own.
//!
//! Sources: xen/include/public/xen.h for every hypercall named here.

use alloc::string::String;
use alloc::vec::Vec;

use crate::abi::{MmuExtOp, MmuUpdate};
use crate::addr::{Mfn, Pfn, VirtAddr, VirtRange};
use crate::{Claim, Counters, Errno, ListState, Loop, PublishedP2m, Row};

/// Content of one page, as words: a page table, or a page of P2M.
pub type Words = [u64; 512];

/// A hypercall that stopped at an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Elements that took effect before it.
    pub done: usize,
    /// Xen's error for the next one.
    pub errno: Errno,
}

/// The fault of a read that was allowed to fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faulted;

/// An exception that ended a call into a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trapped {
    /// Its vector.
    pub vector: u64,
    /// The instruction.
    pub rip: u64,
}

/// Functions of a module, for call traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleNames {
    /// The module.
    pub module: String,
    /// Where it is.
    pub range: VirtRange,
    /// Its functions, by offset.
    pub functions: Vec<ModuleFunction>,
}

/// A function of a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleFunction {
    /// Offset from the module's start.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
    /// Its name.
    pub name: String,
}

/// Everything that the boot needs from outside.
pub trait Hypervisor: PageTables + Lookup + Pages + Platform {}

impl<X: PageTables + Lookup + Pages + Platform> Hypervisor for X {}

/// Changes of page tables, each of which is a request to Xen.
#[expect(unsafe_code, reason = "declares the seam; the contract of each unsafe method is its `# Safety`")]
pub trait PageTables {
    /// Writes page-table entries in order, stopping at the first that Xen refuses.
    ///
    /// Cached translations of the old entries stay usable until [`PageTables::flush_tlb`]. Some versions of Xen flush
    /// by themselves; none promises it.
    ///
    /// # Errors
    /// The number of elements done, and Xen's error for the next.
    ///
    /// # Safety
    /// No element may remove or change a mapping through which live Rust data is reached.
    unsafe fn mmu_update(&mut self, batch: &[MmuUpdate]) -> Result<(), Stopped>;

    /// Flushes the TLB.
    ///
    /// # Errors
    /// Xen's error.
    fn flush_tlb(&mut self) -> Result<(), Errno>;

    /// Writes the L1 entry for `at`, which must have an L1 table, and invalidates its translation.
    ///
    /// # Errors
    /// Xen's error; nothing is changed then.
    ///
    /// # Safety
    /// As for [`PageTables::mmu_update`].
    unsafe fn update_va_mapping(&mut self, at: VirtAddr, entry: u64) -> Result<(), Errno>;

    /// Performs one extended operation: pin, unpin, flush, and others.
    ///
    /// # Errors
    /// Xen's error.
    ///
    /// # Safety
    /// The operation must not change or remove memory or mappings through which Rust data is reached.
    unsafe fn mmuext_op(&mut self, op: MmuExtOp) -> Result<(), Errno>;
}

/// Lookups that are safe at any time and for any argument: they change nothing, and fail where there is no answer.
pub trait Lookup {
    /// Looks up a machine frame in Xen's M2P; `None` where Xen has no entry or does not map that part of the array.
    fn m2p(&self, mfn: Mfn) -> Option<Claim>;

    /// Tells whether M2P gives the 512 frames from `first` on, in order, to the pages from `page` on: the usual case,
    /// checked as fast as M2P can be read. `false` proves nothing: then [`Lookup::m2p`] decides.
    fn m2p_names_row(&self, first: Mfn, page: Pfn) -> bool {
        let names = |offset| {
            let mfn = first.raw().checked_add(offset).map(Mfn::new);
            mfn.and_then(|mfn| self.m2p(mfn)).is_some_and(|claim| claim.names(page.plus(offset)))
        };
        (0..512).all(names)
    }

    /// Returns how many pages the domain has, if Xen says so.
    fn owned_pages(&self) -> Option<u64> {
        None
    }

    /// Reads the word at `at`, surviving the fault if nothing is mapped there.
    ///
    /// # Errors
    /// [`Faulted`] if the processor could not read it.
    fn probe(&self, at: VirtAddr) -> Result<u64, Faulted>;
}

/// Memory that is known to be mapped.
#[expect(unsafe_code, reason = "declares the seam; the contract of each unsafe method is its `# Safety`")]
pub trait Pages {
    /// Reads the word at `at` by one volatile access: it may be an entry of a page table, whose accessed and dirty
    /// bits the processor and Xen set at any time. Nothing borrows such memory.
    ///
    /// # Safety
    /// A word must be mapped at `at`, which is a multiple of 8.
    unsafe fn word(&self, at: VirtAddr) -> u64;

    /// Copies the page at `at`, each word by an access of its own as in [`Pages::word`].
    ///
    /// # Safety
    /// `at` must be page-aligned, and mapped.
    unsafe fn page(&self, at: VirtAddr) -> Words;

    /// Compares the 512 words from `at` on with words that count up: the bits in which any of them differs.
    ///
    /// # Safety
    /// They must be mapped; `at` is a multiple of 8.
    unsafe fn differences(&self, at: VirtAddr, row: Row) -> u64 {
        let word = |index| at + index * 8;
        // SAFETY: the caller's clause is the callee's.
        row.differences(&core::array::from_fn(|index| unsafe { self.word(word(index as u64)) }))
    }

    /// Borrows `len` bytes from `at` on, for a lifetime that the caller chooses.
    ///
    /// # Safety
    /// The whole range must be mapped, and written by nobody, hardware and Xen included, for the whole of `'r`.
    unsafe fn bytes<'r>(&self, at: VirtAddr, len: usize) -> &'r [u8];

    /// Writes the word at `at` by one volatile access: somebody else may be reading it.
    ///
    /// # Safety
    /// As for [`Pages::page_mut`]; `at` is a multiple of 8.
    unsafe fn set_word(&mut self, at: VirtAddr, word: u64);

    /// Borrows the page at `at` for writing.
    ///
    /// # Safety
    /// `at` must be page-aligned, mapped writable for the life of the borrow, owned by the caller, and no page table.
    unsafe fn page_mut(&mut self, at: VirtAddr) -> &mut Words;

    /// Copies `pages` pages.
    ///
    /// # Safety
    /// The source must be mapped and be written by nobody meanwhile, the target as for [`Pages::page_mut`]; they
    /// must not overlap.
    unsafe fn copy_pages(&mut self, from: VirtAddr, to: VirtAddr, pages: u64);

    /// Copies `words` words.
    ///
    /// # Safety
    /// As for [`Pages::copy_pages`]; both addresses are multiples of 8.
    unsafe fn copy_words(&mut self, from: VirtAddr, to: VirtAddr, words: usize);

    /// Fills `pages` pages with one word.
    ///
    /// # Safety
    /// As for [`Pages::page_mut`], the whole range.
    unsafe fn fill_pages(&mut self, at: VirtAddr, pages: u64, word: u64);

    /// Lets the heap use pages, until [`Pages::take_back`].
    ///
    /// # Safety
    /// As for [`Pages::page_mut`], the whole range, until `take_back` says that they are unused.
    unsafe fn lend(&mut self, _at: VirtAddr, _pages: u64) {}

    /// Takes lent pages back from the heap; `false` if something in them is still in use: then they stay lent for good.
    fn take_back(&mut self) -> bool {
        true
    }
}

/// Everything but memory: running modules, the toolstack, the console, traces, counters.
#[expect(unsafe_code, reason = "declares the seam; the contract of each unsafe method is its `# Safety`")]
pub trait Platform {
    /// Calls `entry` as `int (*)(void)`, and returns even if an exception ends it.
    ///
    /// # Errors
    /// [`Trapped`]; what the function has done until then is not undone.
    ///
    /// # Safety
    /// Code of that type must be mapped executable there, relocated for that address.
    unsafe fn call(&mut self, entry: VirtAddr) -> Result<i32, Trapped>;

    /// Adds the names of a module's functions, for call traces; replaces earlier names at the same address.
    fn learn_names(&mut self, _names: ModuleNames) {}

    /// Removes the names of the module at an address.
    fn forget_names(&mut self, _at: VirtAddr) {}

    /// Publishes to the toolstack where the P2M is.
    fn publish_p2m(&mut self, p2m: PublishedP2m);

    /// Tells the toolstack whether the mapping of a published list is stable: `p2m_generation` is odd while it is not,
    /// and another number afterwards.
    fn set_list_state(&mut self, state: ListState);

    /// Makes the runtime reach rings and page tables through the direct map, because the high mapping will be removed.
    ///
    /// # Safety
    /// Every page that the high mapping shows must be mapped at `direct_map_base + pfn * 4096`, for good.
    unsafe fn use_direct_map(&mut self, direct_map_base: VirtAddr);

    /// Prints a call trace of the caller, with names.
    fn trace(&self);

    /// Reads the work counters.
    fn counters(&self) -> Counters;
}

/// Variants of other traits' operations that exist only to be measured.
#[expect(unsafe_code, reason = "declares the seam; the contract of each unsafe method is its `# Safety`")]
pub trait Gauge: Lookup {
    /// Reads the page of M2P that holds the entry of `mfn`, only to measure the time; returns the sum of its entries.
    fn read_m2p_page(&self, mfn: Mfn) -> u64 {
        self.m2p(mfn).map_or(0, |claim| claim.confirmed_before().raw())
    }

    /// Copies like [`Pages::copy_pages`], by a loop of the caller's choice, to measure it.
    ///
    /// # Safety
    /// As for [`Pages::copy_pages`].
    unsafe fn copy_pages_by(&mut self, by: Loop, from: VirtAddr, to: VirtAddr, pages: u64);

    /// Fills like [`Pages::fill_pages`], by a loop of the caller's choice, to measure it.
    ///
    /// # Safety
    /// As for [`Pages::fill_pages`].
    unsafe fn fill_pages_by(&mut self, by: Loop, at: VirtAddr, pages: u64, word: u64);

    /// Issues a hypercall that does nothing, to measure it.
    fn idle(&mut self) {}
}
