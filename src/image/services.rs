//! Kernel functions for modules: printing, memory, time, parameters, the P2M, the page tables.
//!
//! Each begins a [`Service`], so that an exception in it is not mistaken for the module's; therefore memory that a
//! module points to is checked before it is read where that is cheap. Linux code keeps its stack aligned only to 8
//! bytes: the functions that it calls are entered through exports.S, while the project's own (`revector_...`) are for
//! code compiled for the C ABI.
//!
//! Neighbours: `exports` lists them, docs/modules.md documents them.

use alloc::alloc::{alloc, dealloc};
use alloc::string::String;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::sync::atomic::{AtomicU64, Ordering};
use core::{ptr, slice};

use revector::printf::{self, Arguments};
use revector::stage::Stage;
use spin::Mutex;
use xen::addr::{Mfn, PAGE_SIZE, Pfn, VirtAddr};
use xen::pte::Pte;
use xen::{Errno, Lookup, PublishedP2m};

use xen::rt::Live;
use xen::rt::guard::Service;
use xen::rt::{clock, hypercall, probe, shared, tables};

/// Bytes before a block, which hold its size.
const HEAD: usize = 16;
/// Value that compiled code finds at `%gs:0x28`.
const CANARY: u64 = 0x00ad_5ca1_ab1e_5700;
const CANARY_WORD: usize = 0x28 / 8;
/// Longest text of a `%s`.
const TEXT_MAX: u64 = 1024;

/// What %gs points to: a Linux kernel's per-processor data, of which only the canary exists.
#[repr(C, align(64))]
struct PerCpu([u64; 512]);

static PER_CPU: PerCpu = {
    let mut words = [0; 512];
    words[CANARY_WORD] = CANARY;
    PerCpu(words)
};

/// Parameters of modules: `NAME.param`, value.
static PARAMS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Where the builder has mapped its list. An initial domain above 512 GiB publishes neither list nor tree, because Xen
/// maps its list by large pages; but that mapping stays.
static BUILDERS_LIST: AtomicU64 = AtomicU64::new(0);

/// Prepares what modules use: the canary, the parameters from the command line, and the way to the P2M.
pub(crate) fn start(params: &[(String, String)], builders_list: u64) -> Result<(), Errno> {
    *PARAMS.lock() = params.to_vec();
    BUILDERS_LIST.store(builders_list, Ordering::Relaxed);
    hypercall::set_gs_base(VirtAddr::from_ptr(&raw const PER_CPU))
}

/// Prints `len` bytes of UTF-8 as a line of the log.
pub(super) extern "C" fn revector_print(text: *const u8, len: usize) {
    let _service = Service::begin();
    let text = bytes_at(text, len).unwrap_or(b"(not readable)");
    log::info!(target: Stage::Module.name(), "{}", str::from_utf8(text).unwrap_or("(not UTF-8)").trim_end());
}

/// Allocates `bytes` bytes, aligned to 16; null if there is no room.
pub(super) extern "C" fn revector_alloc(bytes: usize) -> *mut u8 {
    let _service = Service::begin();
    let Some(layout) = layout(bytes) else { return ptr::null_mut() };
    // SAFETY: the layout is not empty: it includes the head.
    let block = unsafe { alloc(layout) };
    if block.is_null() {
        return block;
    }
    // SAFETY: the block is aligned, and large enough for its head.
    unsafe { block.cast::<usize>().write(bytes) };
    block.wrapping_add(HEAD)
}

/// Frees a block of [`revector_alloc`], or nothing for null.
pub(super) extern "C" fn revector_free(block: *mut u8) {
    let _service = Service::begin();
    if block.is_null() {
        return;
    }
    let block = block.wrapping_sub(HEAD);
    // SAFETY: the contract of the export: a block of `revector_alloc`, whose head says its size.
    let bytes = unsafe { block.cast::<usize>().read() };
    if let Some(layout) = layout(bytes) {
        // SAFETY: as above; this is the layout that it was allocated with.
        unsafe { dealloc(block, layout) };
    }
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.checked_add(HEAD)?, HEAD).ok()
}

/// Returns the nanoseconds since entry.
pub(super) extern "C" fn revector_time() -> u64 {
    clock::nanos()
}

/// Copies the value of the parameter `key` (`NAME.param`) to `value`, at most `room` bytes; returns its length, or -1
/// if it was not given.
pub(super) extern "C" fn revector_param(
    key: *const u8,
    key_len: usize,
    value: *mut u8,
    room: usize,
) -> isize {
    let _service = Service::begin();
    let params = PARAMS.lock();
    let key = bytes_at(key, key_len).unwrap_or(&[]);
    let Some((_, found)) = params.iter().rfind(|(name, _)| name.as_bytes() == key) else { return -1 };
    // SAFETY: the contract of the export: `room` writable bytes at `value`.
    unsafe { ptr::copy_nonoverlapping(found.as_ptr(), value, found.len().min(room)) };
    found.len().cast_signed()
}

/// Returns the machine frame of a page, from the list or the tree that shared_info names; all ones if it has none.
pub(super) extern "C" fn revector_p2m(pfn: u64) -> u64 {
    let _service = Service::begin();
    frame_of(pfn).map_or(u64::MAX, Mfn::raw)
}

fn frame_of(pfn: u64) -> Option<Mfn> {
    let PublishedP2m { entries, frame_list, list } = shared::published_p2m();
    let word = |table: u64, shift: u32| word_of(Mfn::new(table), (pfn >> shift) % 512);
    let in_tree = || word(word(word(frame_list?.raw(), 18)?, 9)?, 0);
    let at = match (list, frame_list) {
        (Some(list), _) => Some(list.at),
        (None, None) => VirtAddr::try_new(BUILDERS_LIST.load(Ordering::Relaxed)).ok(),
        (None, Some(_)) => None,
    };
    let found = || at.map_or_else(in_tree, |at| probe::read(at + pfn * 8).ok());
    Some(pfn).filter(|pfn| *pfn < entries).and_then(|_| found()).and_then(Mfn::from_p2m)
}

/// Returns the page of a machine frame, according to Xen's M2P and the P2M; all ones if it is not the domain's.
pub(super) extern "C" fn revector_m2p(mfn: u64) -> u64 {
    let _service = Service::begin();
    let page = Live::view().m2p(Mfn::new(mfn)).and_then(|claim| claim.confirmed(|pfn| frame_of(pfn.raw())));
    page.map_or(u64::MAX, Pfn::raw)
}

/// Puts the page-table entries for an address into `entries`, L4 first; returns how many there are (4: mapped).
pub(super) extern "C" fn revector_walk(at: u64, entries: *mut [u64; 4]) -> usize {
    let _service = Service::begin();
    let Ok(at) = VirtAddr::try_new(at) else { return 0 };
    let mut found = [0; 4];
    let mut count = 0;
    tables::walk(at, |_, entry| {
        if let Some(word) = entry.ok().filter(|word| Pte::from_word(*word).is_present()) {
            found[count] = word;
            count += 1;
        }
    });
    // SAFETY: the contract of the export: room for four words.
    unsafe { entries.write_unaligned(found) };
    count
}

fn word_of(mfn: Mfn, index: u64) -> Option<u64> {
    // A page of the tree that this kernel published, so its frame is confirmed.
    tables::word(Live::view().m2p(mfn)?.confirmed_before(), index)
}

/// Called by exports.S for `_printk`: the format, five arguments from registers, and those on the stack.
pub(super) extern "C" fn printk(format: *const u8, registers: *const u64, stack: *const u64) -> i32 {
    let _service = Service::begin();
    let mut line = String::new();
    let format = text_at(format as u64, TEXT_MAX);
    let mut words = Words { registers, stack, next: 0 };
    // Writing to a String cannot fail.
    let _ = printf::print(&mut line, printf::without_level(&format), &mut words);
    log::info!(target: Stage::Module.name(), "{}", line.trim_end());
    i32::try_from(line.len()).unwrap_or(i32::MAX)
}

/// Arguments of a variadic call.
struct Words {
    registers: *const u64,
    stack: *const u64,
    next: usize,
}

impl Arguments for Words {
    fn word(&mut self) -> u64 {
        let next = self.next;
        self.next += 1;
        let at = if next < 5 { self.registers.wrapping_add(next) } else { self.stack.wrapping_add(next - 5) };
        probe::read(VirtAddr::from_ptr(at)).unwrap_or(0)
    }

    fn text(&mut self, most: u64) -> Vec<u8> {
        let at = self.word();
        text_at(at, most.min(TEXT_MAX))
    }
}

/// Called by exports.S for `__stack_chk_fail`.
pub(super) extern "C" fn smashed() {
    let _service = Service::begin();
    log::error!(target: Stage::Module.name(), "a function of a module found its stack canary overwritten");
}

/// Copies the text at an address up to its NUL; stops early where nothing is mapped.
fn text_at(at: u64, most: u64) -> Vec<u8> {
    let byte = |at: u64| {
        let word = probe::read(VirtAddr::try_new(at & !7).ok()?).ok()?;
        word.to_le_bytes().get((at & 7) as usize).copied()
    };
    (0..most).map_while(|offset| byte(at.wrapping_add(offset))).take_while(|byte| *byte != 0).collect()
}

/// Borrows a module's bytes, if each of their pages can be read.
fn bytes_at<'m>(at: *const u8, len: usize) -> Option<&'m [u8]> {
    let start = at as u64;
    let end = start.checked_add(len as u64)?;
    let pages = (start / PAGE_SIZE..end.div_ceil(PAGE_SIZE)).map(|page| page * PAGE_SIZE);
    for page in pages {
        probe::read(VirtAddr::try_new(page).ok()?).ok()?;
    }
    if len == 0 {
        return Some(&[]);
    }
    // SAFETY: every page was just read; the module does not run while a service runs, so nobody writes.
    Some(unsafe { slice::from_raw_parts(at, len) })
}
