//! From `_start` to the boot: heap, traps, console, clock; and from the boot's result to the verdict.
//!
//! # What the builder guarantees at the first instruction
//!
//! The toolstack's builder and Xen's own alike; nothing else about the processor is relied on.
//!
//! | what | state |
//! | --- | --- |
//! | mode | 64 bits, ring 3, "guest kernel" for Xen; one vCPU, paging by the tables of `pt_base` |
//! | `rip`, `rsi` | the `ENTRY` note; the address of start_info |
//! | `rsp` | behind the boot stack, one page at the end of the initial mapping, a multiple of 16 |
//! | `rflags` | IF set, as always in a PV guest, which masks events and not interrupts; direction flag clear |
//! | segments | `cs` 0xe033 and `ss` 0xe02b, flat; the others null; the bases of FS and GS zero |
//! | events | masked for every vCPU (`evtchn_upcall_mask` in shared_info); no handler of any kind is registered |
//! | x87, SSE | usable, in the state after reset; what AVX needs is not set up |
//! | memory | the image loaded, its bss zero, its hypercall page filled; page n at `VIRT_BASE + n * 4096`, writable and executable, page tables read-only |
//!
//! # What is not known
//!
//! The other registers (zero today), the content of RAM that the builder did not place (a debug Xen leaves a pattern,
//! Xen's own builder whatever was there), the order and the number of page tables, who else has the console ring
//! open. start_info is an allegation, and so is `rsi`: nothing of the page is used before [`Early`] has checked it.
//!
//! # What this code answers for
//!
//! `entry.S` clears the direction flag, leaves the builder's stack before anything is pushed and ends the chain of
//! frames. From then on: exception handlers first, because M2P has holes and `rsi` may lead nowhere; the console, so
//! that all else can be told; shared_info in place of a page of the image, and the clock that it carries. Events are
//! never unmasked. The stack has 64 KiB. Below it lies a guard page, then the constants: from stage 4 on neither can
//! be written, and an overflow ends the domain with a message in Xen's log (see `traps`). Before that the builder's
//! mapping lets an overflow write into the constants; stages 1 to 3 do not recurse and run no foreign code.
//!
//! # What it makes no attempt to survive
//!
//! An exception before `set_trap_table`, a refusal of that call, a start_info without a console that can be believed
//! (it says so on Xen's own console, which a release build of Xen takes from the initial domain only), an NMI or a
//! machine check, a stack that overflows.
//!
//! Sources: xen/include/public/xen.h (start-of-day memory layout), arch-x86/xen-x86_64.h; tools/libs/guest/
//! xg_dom_x86.c (`vcpu_x86_64`), xen/arch/x86/pv/dom0_build.c, for what the headers do not say.

use core::arch::global_asm;

use revector::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use revector::boot::{self, Setup};
use revector::error::BootError;
use revector::mm::area;
use revector::module::source::Source;
use revector::options::{Console, Options};
use revector::verdict::Verdict;
use revector::xen::Errno;
use revector::xen::abi::{Shutdown, StartInfo};
use revector::xen::early::Early;
use revector::xen::start_info::{Facts, Role};

use super::live::Live;
use super::{
    clock, console, die, exports, heap, linker, logger, memory, probe, selftest, services, shared, traps,
};

global_asm!(include_str!("../../xen-note.S"));
global_asm!(include_str!("entry.S"), entry = sym entry);

/// The module for a boot without a ramdisk; aligned as the ELF reader wants it.
static HELLO: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("REVECTOR_HELLO")));

#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

/// Called by entry.S, once.
extern "C" fn entry(start_info: u64) -> ! {
    heap::start();
    clock::note_entry();
    logger::start(log::LevelFilter::Info);
    finish(take_over(start_info))
}

/// `rsi` is what the builder left there: an address, if all is well.
fn take_over(rsi: u64) -> Verdict {
    if let Err(errno) = traps::start() {
        return fail("set_trap_table", errno);
    }
    let Some((start_info, raw)) = read_start_info(rsi) else {
        console::use_xen();
        log::error!(target: "entry", "no start_info at {rsi:#x}: expected the address of a page in %rsi");
        return Verdict::Failure;
    };
    let early = match Early::parse(&raw) {
        Ok(early) => early,
        Err(error) => {
            console::use_xen();
            log::error!(target: "start_info", "{error}");
            return BootError::from(error).verdict();
        }
    };
    match prepare(&early) {
        Ok(mut xen) => run(&raw, early.role, start_info, &mut xen),
        Err((what, errno)) => fail(what, errno),
    }
}

fn fail(what: &str, errno: Errno) -> Verdict {
    log::error!(target: "entry", "failed to {what}: {errno}");
    Verdict::Error
}

/// Copies start_info, because the page leaves the high mapping in stage 7; `None` if %rsi leads nowhere.
fn read_start_info(rsi: u64) -> Option<(VirtAddr, StartInfo)> {
    let at = VirtAddr::try_new(rsi).ok().filter(|at| at.is_aligned(PAGE_SIZE))?;
    probe::read(at).ok()?;
    // SAFETY: the page was just read, it has room for one, and every bit pattern is a `StartInfo`.
    Some((at, unsafe { at.as_ptr::<StartInfo>().read() }))
}

/// Gets the console going first, so that everything after can be told; then the clock.
fn prepare(early: &Early) -> Result<Live, (&'static str, Errno)> {
    let live = Live::start(early.root, area::HIGH);
    match early.console {
        None => console::use_xen(),
        Some(claim) => console::use_ring(claim),
    }
    shared::map(early.shared_info).map_err(|errno| ("update_va_mapping: map shared_info", errno))?;
    clock::start();
    live.map_err(|errno| ("memory_op: ask for the highest RAM frame", errno))
}

fn run(raw: &StartInfo, role: Role, start_info: VirtAddr, xen: &mut Live) -> Verdict {
    greet(raw);
    let options = match Options::parse(&raw.cmd_line) {
        Ok(options) => options,
        Err(error) => {
            log::error!(target: "options", "{error}");
            return Verdict::Error;
        }
    };
    log::set_max_level(options.loglevel);
    choose_console(&options, role);
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

fn choose_console(options: &Options, role: Role) {
    if options.console == Console::Com2 {
        let result = match role {
            Role::InitialDomain => console::use_com2(),
            Role::Guest => Err("only the initial domain has it"),
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
        stack_guard: linker::stack_guard(),
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
