//! Carries a typed line out.

use super::command::{Command, ENTRIES, Experiment};
use super::home::Home;
use super::inspect::Answer;
use super::keys::Keys;
use super::toolstack::Toolstack;
use super::{change, inspect, modules};
use xen::abi::Shutdown;
use xen::{Gauge, Hypervisor, Resident};

/// Carries a line out; whatever is wrong with it is printed.
pub(super) fn line<X: Hypervisor + Gauge + Resident>(
    words: &[&str],
    home: &mut Home<'_>,
    toolstack: &mut Toolstack,
    keys: &mut Keys,
    xen: &mut X,
) {
    match Command::parse(words) {
        Ok(command) => obey(command, home, toolstack, keys, xen),
        Err(misread) => log::warn!(target: "monitor", "{misread}"),
    }
}

fn obey<X: Hypervisor + Gauge + Resident>(
    command: Command,
    home: &mut Home<'_>,
    toolstack: &mut Toolstack,
    keys: &mut Keys,
    xen: &mut X,
) {
    let mut answer = Answer::new(keys);
    match command {
        Command::Help => help(),
        Command::Layout => inspect::layout(home),
        Command::P2m(first, count) => inspect::p2m(first, count, home, &mut answer, xen),
        Command::M2p(mfn) => inspect::m2p(mfn, home, xen),
        Command::Walk(at) => inspect::walk(at, home, xen),
        Command::Maps => inspect::maps(home, &mut answer, xen),
        Command::Frames => inspect::frames(home, xen),
        Command::Areas => inspect::areas(home),
        Command::Modules => modules::list(home),
        Command::Insmod(name) => modules::insert(&name, home, xen),
        Command::Rmmod(name) => modules::remove(&name, home, xen),
        Command::Set(Experiment::Hole) => change::hole(home, xen),
        Command::Set(Experiment::Close) => change::close(home, xen),
        Command::Set(Experiment::Split(pfn)) => change::split(pfn, home, xen),
        Command::Balloon(mib) => change::resize(mib.saturating_mul(256), home, xen),
        Command::Verify => inspect::verify(home, xen),
        Command::Digest => inspect::digest(home, xen),
        Command::Stats => inspect::stats(xen),
        Command::Xenstore(path) => toolstack.show(&path, xen),
        Command::PowerOff => home.ending = Some(Shutdown::PowerOff),
        Command::Reboot => home.ending = Some(Shutdown::Reboot),
        Command::Crash => panic!("crash asked for it"),
    }
}

fn help() {
    for entry in &ENTRIES {
        let usage = alloc::format!("{} {}", entry.name, entry.arguments);
        log::info!(target: "help", "{usage:24} {}", entry.says);
    }
}
