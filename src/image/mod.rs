//! What the unikernel adds to the runtime of an image: its command line, functions for modules, deliberate failures.
//!
//! Each SAFETY comment here relies on what the runtime guarantees (`xen::rt`): one vCPU, events masked, an image that
//! is where the linker put it.

mod exports;
mod selftest;
mod services;

use revector::boot::{self, Setup};
use revector::options::{Console, Options};
use revector::stage::Stage;
use xen::rt::{Live, console, heap, memory, stack};
use xen::start_info::Role;
use xen::{Boot, Ending, Verdict};

use ko_loader::Source;

/// The module for a boot without a ramdisk; aligned as the ELF reader requires.
static HELLO: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("REVECTOR_HELLO")));

#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

/// Boots, and returns a verdict.
pub(crate) fn main(mut boot: Boot<'_, Live>) -> Ending {
    greet(&boot);
    let options = match Options::parse(boot.command_line()) {
        Ok(options) => options,
        Err(error) => {
            log::error!(target: "options", "{error}");
            return Verdict::Error.into();
        }
    };
    obey(&options, boot.role());
    if let Err(errno) = services::start(&options.params, boot.raw().mfn_list) {
        log::error!(target: "entry", "failed to set_segment_base: set the base of gs: {errno}");
        return Verdict::Error.into();
    }
    run(&options, &mut boot)
}

fn greet(boot: &Boot<'_, Live>) {
    log::info!(target: "revector", "{}, Environment: PV 64bit, {}, log format 1", env!("CARGO_PKG_VERSION"), boot.magic());
}

/// Applies the command line's options for the log and the console.
fn obey(options: &Options, role: Role) {
    log::set_max_level(options.loglevel);
    if options.console == Console::Com2 {
        let result = match role {
            Role::InitialDomain => console::use_com2(),
            Role::Guest => Err("only the initial domain has it"),
        };
        if let Err(why) = result {
            log::warn!(target: "options", "console=com2: {why}; staying with hvc0");
        }
    }
    for key in &options.unknown {
        log::warn!(target: "options", "unknown key {key}, ignored");
    }
    log::info!(target: "memory", "{}", memory::choose());
}

fn run(options: &Options, boot: &mut Boot<'_, Live>) -> Ending {
    let setup = Setup {
        facts: boot.facts(),
        options,
        exports: &exports::table(),
        built_in: Source { name: "hello", object: &HELLO.0 },
    };
    let outcome = boot::boot(boot.raw(), &setup, boot.xen());
    log::info!(target: Stage::Total.name(), "heap: {}", heap::peak());
    log::info!(target: Stage::Total.name(), "stack: {}", stack::peak());
    match outcome {
        Ok(shutdown) => {
            options.selftest.into_iter().for_each(selftest::run);
            Ending { verdict: Verdict::Success, shutdown }
        }
        Err(error) => {
            log::error!(target: error.stage().name(), "{error}");
            error.verdict().into()
        }
    }
}
