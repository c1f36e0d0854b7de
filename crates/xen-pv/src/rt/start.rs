//! From `_start` to the kernel's `main`: heap, traps, console, clock; and from `main`'s result to the verdict.
//!
//! # What the builder guarantees at the first instruction
//!
//! This holds for the toolstack's builder and for Xen's own; nothing else about the processor is relied on.
//!
//! | what | state |
//! | --- | --- |
//! | mode | 64 bits, ring 3, "guest kernel" for Xen; one vCPU, paging by the tables of `pt_base` |
//! | `rip`, `rsi` | the `ENTRY` note; the address of start_info |
//! | `rsp` | the end of the boot stack, a multiple of 16: a page after the page tables, but for GRUB, whose is somewhere and perhaps not mapped |
//! | `rflags` | IF set, as always in a PV guest, which masks events and not interrupts; direction flag clear |
//! | segments | `cs` 0xe033 and `ss` 0xe02b, flat; the others null; the bases of FS and GS zero |
//! | events | masked for every vCPU (`evtchn_upcall_mask` in shared_info); no handler of any kind is registered |
//! | x87, SSE | usable, in the state after reset; what AVX needs is not set up |
//! | memory | the image loaded, its bss zero, its hypercall page filled; page n at `VIRT_BASE + n * 4096`, writable and executable, page tables read-only |
//!
//! # What is not known
//!
//! The other registers (zero today), the content of RAM that the builder did not fill (a debug Xen leaves a pattern,
//! Xen's own builder whatever was there), the order and the number of page tables, who else has the console ring
//! open. start_info is unverified input, and so is `rsi`: nothing in the page is used before [`Early`] has checked it.
//!
//! # What this code is responsible for
//!
//! The assembly of the entry (`assembly`) clears the direction flag, leaves the builder's stack before anything is
//! pushed and ends the chain of frames. Then follow: exception handlers first, because M2P has holes and `rsi` may be
//! an invalid address; the console, so that everything after it can be reported; shared_info in place of a page of the
//! image, and the clock in it. Events are never unmasked. The stack has 64 KiB. Below it lies a guard page, then the
//! constants: from stage 4 on neither can be written, and an overflow ends the domain with a message in Xen's log (see
//! `traps`). Before that the builder's mapping lets an overflow write into the constants; stages 1 to 3 do not recurse
//! and run no foreign code.
//!
//! # What it makes no attempt to survive
//!
//! An exception before `set_trap_table`, a refusal of that call, a start_info without a credible console (reported on
//! Xen's own console, which a release build of Xen accepts from the initial domain only), an NMI or a machine check, a
//! stack that overflows.
//!
//! Sources: xen/include/public/xen.h (start-of-day memory layout), arch-x86/xen-x86_64.h; tools/libs/guest/
//! xg_dom_x86.c (`vcpu_x86_64`), xen/arch/x86/pv/dom0_build.c, for what is not in the headers.

use crate::abi::StartInfo;
use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use crate::boot::{Boot, Outcome};
use crate::early::Early;
use crate::start_info::Facts;
use crate::verdict::{Ending, Verdict};
use crate::{Errno, area, output};

use super::live::Live;
use super::{clock, console, die, heap, linker, logger, probe, shared, tables, traps};

/// The registers to which a builder gives a meaning, as they were at entry.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    /// The address of start_info, unverified.
    pub rsi: u64,
    /// The end of the boot stack.
    pub rsp: u64,
}

/// Starts the kernel, and ends the domain with its verdict. Called once.
pub fn start<T: Outcome>(entered: Entered, main: fn(Boot<'_, Live>) -> T) -> ! {
    heap::start();
    clock::note_entry();
    output::redirect(console::write);
    logger::start(log::LevelFilter::Info);
    finish(take_over(entered, main))
}

/// `rsi` as an address, if it is a valid one.
fn take_over<T: Outcome>(entered: Entered, main: fn(Boot<'_, Live>) -> T) -> Ending {
    let Entered { rsi, rsp } = entered;
    if let Err(errno) = traps::start() {
        return fail("set_trap_table", errno);
    }
    let Some((start_info, raw)) = read_start_info(rsi) else {
        console::use_xen();
        log::error!(target: "entry", "no start_info at {rsi:#x}: expected the address of a page in %rsi");
        return Verdict::Failure.into();
    };
    let early = match Early::parse(&raw) {
        Ok(early) => early,
        Err(error) => {
            console::use_xen();
            log::error!(target: "start_info", "{error}");
            return error.verdict().into();
        }
    };
    match prepare(&early) {
        Ok(mut xen) => {
            main(Boot::new(&raw, early.role, facts(start_info, VirtAddr::new_truncate(rsp)), &mut xen))
                .ending()
        }
        Err((what, errno)) => fail(what, errno),
    }
}

fn fail(what: &str, errno: Errno) -> Ending {
    log::error!(target: "entry", "failed to {what}: {errno}");
    Verdict::Error.into()
}

/// Copies start_info, because a kernel may unmap the page from the high mapping; `None` if %rsi is not mapped.
fn read_start_info(rsi: u64) -> Option<(VirtAddr, StartInfo)> {
    let at = VirtAddr::try_new(rsi).ok().filter(|at| at.is_aligned(PAGE_SIZE))?;
    probe::read(at).ok()?;
    // SAFETY: the page was just read, has room for a `StartInfo`, and every bit pattern is one.
    Some((at, unsafe { at.as_ptr::<StartInfo>().read() }))
}

/// Starts the console first, so that everything after it can be reported; then the clock.
fn prepare(early: &Early) -> Result<Live, (&'static str, Errno)> {
    let live = Live::start(early.root, area::HIGH);
    match early.console {
        None => console::use_xen(),
        // Nothing is written to a page whose frame is not the claimed one.
        Some(claim) => match claim.confirmed(&Live::view(), tables::frame_at) {
            Some(console) => console::use_ring(console),
            None => {
                console::use_xen();
                log::error!(target: "entry", "no console: the frame in start_info is no page that is mapped here");
            }
        },
    }
    shared::map(early.shared_info).map_err(|errno| ("update_va_mapping: map shared_info", errno))?;
    clock::start();
    live.map_err(|errno| ("memory_op: ask for the highest RAM frame", errno))
}

fn facts(start_info: VirtAddr, boot_stack_end: VirtAddr) -> Facts {
    Facts {
        start_info,
        boot_stack_end,
        image: VirtRange::between(linker::image_start(), linker::image_end()),
        text: linker::text(),
        rodata: VirtRange::between(linker::text_end(), linker::rodata_end()),
        shared_info: linker::shared_info_page(),
        stack_guard: linker::stack_guard(),
    }
}

fn finish(Ending { verdict, shutdown }: Ending) -> ! {
    console::write(format_args!("{verdict}\n"));
    console::drain();
    die::stop(shutdown)
}
