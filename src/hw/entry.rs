//! From `_start` to the boot: heap, clock, console, traps; and from the boot's result to the verdict.

use core::arch::global_asm;

use revector::addr::{Mfn, PAGE_SIZE, Pfn};
use revector::addr::{VirtAddr, VirtRange};
use revector::boot::{self, Setup};
use revector::mm::area;
use revector::module::source::Source;
use revector::options::{Console, Options};
use revector::verdict::Verdict;
use revector::xen::abi::{SIF_INITDOMAIN, Shutdown, StartInfo};
use revector::xen::start_info::Facts;
use revector::xen::{Errno, List};

use super::live::Live;
use super::{clock, console, die, exports, heap, linker, logger, memory, selftest, services, shared, traps};

global_asm!(include_str!("../../xen-note.S"));
global_asm!(include_str!("entry.S"), entry = sym entry);

/// The module for a boot without a ramdisk; aligned as the ELF reader wants it.
static HELLO: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("REVECTOR_HELLO")));

#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

/// Called by entry.S, once.
extern "C" fn entry(start_info: *const StartInfo) -> ! {
    heap::start();
    clock::start();
    // SAFETY: Xen enters with the address of start_info, which lies in the initial mapping. A copy, because the
    // page leaves the high mapping in stage 7.
    let raw = unsafe { start_info.read() };
    let verdict = match prepare(&raw) {
        Ok(mut xen) => run(&raw, VirtAddr::from_ptr(start_info), &mut xen),
        Err((what, errno)) => {
            log::error!(target: "entry", "failed to {what}: {errno}");
            Verdict::Error
        }
    };
    finish(verdict)
}

/// The page of the console ring: M2P names one, for whatever domain, and the list must confirm that it is ours.
fn console_page(raw: &StartInfo) -> Option<Pfn> {
    List::of(raw)?.page_of(&Live::view(), Mfn::new(raw.console_mfn))
}

/// Gets the console going first, so that everything after can be told; but for the traps, by which a read of M2P or
/// of the list comes back if nothing is mapped there.
fn prepare(raw: &StartInfo) -> Result<Live, (&'static str, Errno)> {
    logger::start(log::LevelFilter::Info);
    let root = Pfn::new(raw.pt_base.wrapping_sub(area::HIGH.as_u64()) / PAGE_SIZE);
    let live = Live::start(root, area::HIGH);
    let traps = traps::start();
    if raw.flags & SIF_INITDOMAIN != 0 {
        console::use_xen();
    } else if let Some(pfn) = console_page(raw) {
        console::use_ring(pfn, raw.console_evtchn);
    }
    traps.map_err(|errno| ("set_trap_table", errno))?;
    shared::map(raw.shared_info).map_err(|errno| ("update_va_mapping: map shared_info", errno))?;
    live.map_err(|errno| ("memory_op: ask for the highest RAM frame", errno))
}

fn run(raw: &StartInfo, start_info: VirtAddr, xen: &mut Live) -> Verdict {
    greet(raw);
    let options = match Options::parse(&raw.cmd_line) {
        Ok(options) => options,
        Err(error) => {
            log::error!(target: "options", "{error}");
            return Verdict::Error;
        }
    };
    log::set_max_level(options.loglevel);
    choose_console(&options, raw);
    for key in &options.unknown {
        log::warn!(target: "options", "unknown key {key}, ignored");
    }
    log::info!(target: "memory", "{}", memory::choose());
    if let Err(errno) = services::start(&options.params) {
        log::error!(target: "entry", "failed to set_segment_base: set the base of gs: {errno}");
        return Verdict::Error;
    }
    let setup = Setup {
        facts: facts(start_info),
        options: &options,
        exports: &exports::table(),
        built_in: built_in(),
    };
    let outcome = boot::boot(raw, &setup, xen);
    let (used, of) = heap::peak();
    log::info!(target: "total", "heap: {} of {} KiB at most", used.div_ceil(1024), of / 1024);
    match outcome {
        Ok(()) => {
            options.selftest.into_iter().for_each(selftest::run);
            Verdict::Success
        }
        Err(error) => {
            log::error!(target: error.stage(), "{error}");
            error.verdict()
        }
    }
}

fn choose_console(options: &Options, raw: &StartInfo) {
    if options.console == Console::Com2 {
        let result = if raw.flags & SIF_INITDOMAIN != 0 {
            console::use_com2()
        } else {
            Err("only the initial domain has it")
        };
        if let Err(why) = result {
            log::warn!(target: "options", "console=com2: {why}; staying with hvc0");
        }
    }
}

fn greet(raw: &StartInfo) {
    let end = raw.magic.iter().position(|byte| *byte == 0).unwrap_or(raw.magic.len());
    let magic = str::from_utf8(&raw.magic[..end]).unwrap_or("?");
    log::info!(target: "revector", "{}, Environment: PV 64bit, {magic}, log format 1", env!("CARGO_PKG_VERSION"));
}

fn facts(start_info: VirtAddr) -> Facts {
    Facts {
        start_info,
        image: VirtRange::between(linker::image_start(), linker::image_end()),
        text: linker::text(),
        rodata: VirtRange::between(linker::text_end(), linker::rodata_end()),
        shared_info: linker::shared_info_page(),
    }
}

const fn built_in() -> Source<'static> {
    Source { name: "hello", object: &HELLO.0 }
}

fn finish(verdict: Verdict) -> ! {
    console::write(format_args!("{verdict}\n"));
    console::drain();
    die::stop(match verdict {
        Verdict::Success | Verdict::Skip | Verdict::Error | Verdict::Failure => Shutdown::PowerOff,
    })
}
