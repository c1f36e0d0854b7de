//! What the guest does after its boot with `after=monitor`: it stays, answers whoever types at its console, and does
//! what the toolstack asks for.
//!
//! A P2M is there to be used: a domain that stays gives memory back and gets other frames, loads and unloads modules,
//! and is looked into. The loop takes what there is, first from the store, then from the console, and sleeps when there
//! is nothing. Events are masked, as during the boot, so it sleeps in `SCHEDOP_poll`: between events a guest uses no
//! processor time. (An initial domain's console has no event channel here, and is looked at every 10 ms.)
//!
//! ```text
//!   store ---> toolstack --\
//!                           +--> change, inspect ---> guest: P2M, page tables, frames, areas, modules
//!   keys ----> prompt -----/
//! ```
//!
//! Neighbours: `boot` calls [`stay`] when its stages are over. Sources: docs/misc/xenstore-paths.pandoc (requests of the
//! toolstack); Linux arch/x86/xen, drivers/xen/manage.c (facts).

mod change;
mod command;
mod guest;
mod inspect;
mod introduce;
mod keys;
mod modules;
mod prompt;
mod request;
mod run;
mod toolstack;

pub(crate) use guest::{Boot, Guest};

use crate::module::loan;
use keys::Keys;
use prompt::Prompt;
use toolstack::Toolstack;
use xen::abi::Shutdown;
use xen::{Gauge, Hypervisor, Resident, Wake};

/// Serves until somebody ends the domain; returns how.
#[inline(never)]
pub(crate) fn stay<X: Hypervisor + Gauge + Resident>(guest: &mut Guest<'_>, xen: &mut X) -> Shutdown {
    // Somebody asks, so the answers must be seen.
    log::set_max_level(log::max_level().max(log::LevelFilter::Info));
    // The heap keeps it: symbols of modules, and whatever is typed.
    let _loan = loan::lend(guest.tables, guest.frames, xen);
    let mut toolstack = Toolstack::connect(guest, xen);
    log::info!(target: "monitor", "the boot is over and the guest stays; help lists what can be asked");
    let (mut keys, mut prompt) = (Keys::default(), Prompt::new());
    loop {
        let mut is_idle = true;
        if let Some(request) = toolstack.next(guest, xen) {
            is_idle = false;
            prompt.aside(|| toolstack.serve(request, guest, xen));
        }
        if let Some(byte) = keys.next(xen) {
            is_idle = false;
            prompt.accept(byte, |line| run::line(line, guest, &mut toolstack, &mut keys, xen));
        }
        if let Some(shutdown) = guest.ending {
            prompt.leave();
            return shutdown;
        }
        if is_idle {
            xen.wait(Wake::Anything, toolstack.wakes_at());
        }
    }
}
