//! Call traces: the chain of frame pointers, bounded by the stack, with names.
//!
//! Every function of the image keeps a frame pointer, and the entry ends the chain with zero. A dying guest may have
//! overwritten the chain, so each link is checked: inside the stack, aligned, ascending.

use core::arch::asm;

use crate::addr::VirtAddr;

use super::symbols::Symbol;
use super::{console, linker, probe};

/// Longest trace.
const DEPTH: usize = 48;

/// Prints the callers of the caller.
pub fn print_callers() {
    let frame: u64;
    // SAFETY: only copies a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    console::write(format_args!("Call Trace:\n"));
    print_chain(frame);
}

/// Prints the function at `rip`, then the chain from `frame` on.
pub fn print_from(rip: u64, frame: u64) {
    console::write(format_args!("Call Trace:\n"));
    console::write(format_args!(" [<{rip:016x}>] {}\n", Symbol::Instruction(rip)));
    print_chain(frame);
}

fn print_chain(frame: u64) {
    let stack = linker::stack();
    let mut frame = frame;
    for _ in 0..DEPTH {
        let inside = VirtAddr::try_new(frame).is_ok_and(|at| stack.contains(at));
        if !inside || !frame.is_multiple_of(8) {
            return;
        }
        let at = VirtAddr::new_truncate(frame);
        let (Ok(next), Ok(caller)) = (probe::read(at), probe::read(VirtAddr::new_truncate(frame + 8))) else {
            return;
        };
        if caller == 0 {
            return;
        }
        console::write(format_args!(" [<{caller:016x}>] {}\n", Symbol::Return(caller)));
        if next <= frame {
            return;
        }
        frame = next;
    }
}
