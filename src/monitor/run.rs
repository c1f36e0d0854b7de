//! Carries a typed line out.

use super::command::{Command, ENTRIES, Experiment};
use super::guest::Guest;
use super::inspect::Answer;
use super::keys::Keys;
use super::toolstack::Toolstack;
use super::{change, inspect, modules};
use xen::abi::Shutdown;
use xen::{Gauge, Hypervisor, Resident};

/// Carries a line out; whatever is wrong with it is printed.
pub(super) fn line<X: Hypervisor + Gauge + Resident>(
    words: &[&str],
    guest: &mut Guest<'_>,
    toolstack: &mut Toolstack,
    keys: &mut Keys,
    xen: &mut X,
) {
    match Command::parse(words) {
        Ok(command) => obey(command, guest, toolstack, keys, xen),
        Err(misread) => log::warn!(target: "monitor", "{misread}"),
    }
}

fn obey<X: Hypervisor + Gauge + Resident>(
    command: Command,
    guest: &mut Guest<'_>,
    toolstack: &mut Toolstack,
    keys: &mut Keys,
    xen: &mut X,
) {
    let mut answer = Answer::new(keys);
    match command {
        Command::Help => help(),
        Command::Layout => inspect::layout(guest),
        Command::P2m(first, count) => inspect::p2m(first, count, guest, &mut answer, xen),
        Command::M2p(mfn) => inspect::m2p(mfn, guest, xen),
        Command::Walk(at) => inspect::walk(at, guest, xen),
        Command::Maps => inspect::maps(guest, &mut answer, xen),
        Command::Frames => inspect::frames(guest, xen),
        Command::Areas => inspect::areas(guest),
        Command::Modules => modules::list(guest),
        Command::Insmod(name) => modules::insert(&name, guest, xen),
        Command::Rmmod(name) => modules::remove(&name, guest, xen),
        Command::Set(Experiment::Hole) => change::hole(guest, xen),
        Command::Set(Experiment::Close) => change::close(guest, xen),
        Command::Set(Experiment::Split(pfn)) => change::split(pfn, guest, xen),
        Command::Balloon(mib) => {
            toolstack.forget_target();
            change::resize(mib.saturating_mul(256), guest, xen).print();
        }
        Command::Verify => inspect::verify(guest, xen),
        Command::Digest => inspect::digest(guest, xen),
        Command::Stats => inspect::stats(xen),
        Command::Xenstore(path) => toolstack.show(&path, xen),
        Command::PowerOff => guest.ending = Some(Shutdown::PowerOff),
        Command::Reboot => guest.ending = Some(Shutdown::Reboot),
        Command::Crash => panic!("crash asked for it"),
    }
}

fn help() {
    for entry in &ENTRIES {
        let usage = alloc::format!("{} {}", entry.name, entry.arguments);
        log::info!(target: "help", "{usage:24} {}", entry.says);
    }
}
