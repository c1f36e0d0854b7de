//! The commands: how they are spelled, and what they mean.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use xen::addr::{Mfn, Pfn, VirtAddr};

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Lists the commands.
    Help,
    /// The builder's rows.
    Layout,
    /// Entries of the P2M.
    P2m(Pfn, u64),
    /// An entry of M2P.
    M2p(Mfn),
    /// The page-table entries for an address.
    Walk(VirtAddr),
    /// All mappings.
    Maps,
    /// Free pages, and those without a frame.
    Frames,
    /// Areas of vmalloc.
    Areas,
    /// Loaded modules.
    Modules,
    /// Loads a module, and what it needs.
    Insmod(String),
    /// Unloads one.
    Rmmod(String),
    /// An experiment on a page.
    Set(Experiment),
    /// Gives memory back, or gets some, until the domain has so many MiB.
    Balloon(u64),
    /// Compares P2M and M2P.
    Verify,
    /// The P2M in one line.
    Digest,
    /// Work counters.
    Stats,
    /// A value of the store, and the names below.
    Xenstore(String),
    /// Ends the domain.
    PowerOff,
    /// Has it built again.
    Reboot,
    /// A panic.
    Crash,
}

/// What can be tried on the P2M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Experiment {
    /// Takes a free page and makes its entry missing.
    Hole,
    /// Gives the last such page its entry again.
    Close,
    /// Gives the leaf of a page that has none a page of its own.
    Split(Pfn),
}

/// Input that is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misread {
    /// There is no such command.
    Unknown(String),
    /// Its arguments are wrong.
    Arguments(&'static Entry),
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "{name}: expected a command; help lists them"),
            Self::Arguments(Entry { name, arguments: "", .. }) => write!(f, "{name}: expected no arguments"),
            Self::Arguments(Entry { name, arguments, .. }) => {
                write!(f, "{name}: expected {name} {arguments}")
            }
        }
    }
}

/// A line of `help`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) arguments: &'static str,
    pub(super) says: &'static str,
}

const fn entry(name: &'static str, arguments: &'static str, says: &'static str) -> Entry {
    Entry { name, arguments, says }
}

/// All commands, in the order of `help`.
pub(super) static ENTRIES: [Entry; 20] = [
    entry("help", "", "lists the commands; Ctrl-C stops a long answer"),
    entry("layout", "", "what the builder loaded, in rows"),
    entry("p2m", "PFN [COUNT]", "entries of the P2M, from that page on"),
    entry("m2p", "MFN", "the page that M2P has for a machine frame"),
    entry("walk", "ADDRESS", "the page-table entries for an address, level by level"),
    entry("maps", "", "all mappings, equal neighbours merged"),
    entry("frames", "", "free pages, and pages without a machine frame"),
    entry("areas", "", "areas of the vmalloc range and the module area"),
    entry("modules", "", "loaded modules, as in /proc/modules"),
    entry("insmod", "NAME", "loads a module of the ramdisk, and those that it needs"),
    entry("rmmod", "NAME", "unloads a module"),
    entry("set", "hole|close|split PFN", "makes an entry missing, restores it, splits a leaf of holes"),
    entry("balloon", "MIB", "gives memory back or gets some, until the domain has that much"),
    entry("verify", "", "compares every entry of the P2M with M2P"),
    entry("digest", "", "the P2M in one line, for comparison with a dump"),
    entry("stats", "", "hypercalls, page-table entries, bytes so far"),
    entry("xenstore", "PATH", "a value of the store, and the names below it"),
    entry("poweroff", "", "ends the domain"),
    entry("reboot", "", "has the toolstack build the domain again"),
    entry("crash", "", "ends the domain as an error of its own would"),
];

impl Command {
    /// Reads a command from its words.
    pub(super) fn parse(words: &[&str]) -> Result<Self, Misread> {
        let Some((name, arguments)) = words.split_first() else { return Ok(Self::Help) };
        let entry = ENTRIES.iter().find(|entry| entry.name == *name);
        let entry = entry.ok_or_else(|| Misread::Unknown((*name).to_owned()))?;
        let command = match arguments {
            [] => Self::plain(name),
            [argument] => Self::with_one(name, argument),
            [first, second] => Self::with_two(name, first, second),
            _ => None,
        };
        command.ok_or(Misread::Arguments(entry))
    }

    fn plain(name: &str) -> Option<Self> {
        Some(match name {
            "help" => Self::Help,
            "layout" => Self::Layout,
            "maps" => Self::Maps,
            "frames" => Self::Frames,
            "areas" => Self::Areas,
            "modules" => Self::Modules,
            "verify" => Self::Verify,
            "digest" => Self::Digest,
            "stats" => Self::Stats,
            "poweroff" => Self::PowerOff,
            "reboot" => Self::Reboot,
            "crash" => Self::Crash,
            _ => return None,
        })
    }

    fn with_one(name: &str, argument: &str) -> Option<Self> {
        Some(match name {
            "p2m" => Self::P2m(Pfn::new(number(argument)?), 1),
            "m2p" => Self::M2p(Mfn::new(number(argument)?)),
            "walk" => Self::Walk(VirtAddr::try_new(number(argument)?).ok()?),
            "insmod" => Self::Insmod(argument.to_owned()),
            "rmmod" => Self::Rmmod(argument.to_owned()),
            "set" if argument == "hole" => Self::Set(Experiment::Hole),
            "set" if argument == "close" => Self::Set(Experiment::Close),
            "balloon" => Self::Balloon(number(argument)?),
            "xenstore" => Self::Xenstore(argument.to_owned()),
            _ => return None,
        })
    }

    fn with_two(name: &str, first: &str, second: &str) -> Option<Self> {
        match (name, first) {
            ("p2m", _) => Some(Self::P2m(Pfn::new(number(first)?), number(second)?)),
            ("set", "split") => Some(Self::Set(Experiment::Split(Pfn::new(number(second)?)))),
            _ => None,
        }
    }
}

/// Decimal, or hexadecimal after `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_entry_is_a_command_with_the_arguments_that_it_says() {
        for Entry { name, arguments, .. } in &ENTRIES {
            let line = match *arguments {
                "" => std::vec![*name],
                "hole|close|split PFN" => std::vec![*name, "split", "0x10"],
                "PFN [COUNT]" => std::vec![*name, "1", "2"],
                _ => std::vec![*name, "0x10"],
            };
            assert!(Command::parse(&line).is_ok(), "{line:?}");
            assert!(Command::parse(&[name, "1", "2", "3"]).is_err(), "{name}");
        }
    }

    #[test]
    fn wrong_input_gets_what_was_expected() {
        let says = |words: &[&str]| Command::parse(words).unwrap_err().to_string();
        assert_eq!(says(&["hlep"]), "hlep: expected a command; help lists them");
        assert_eq!(says(&["p2m"]), "p2m: expected p2m PFN [COUNT]");
        assert_eq!(says(&["m2p", "banana"]), "m2p: expected m2p MFN");
        assert_eq!(says(&["maps", "all"]), "maps: expected no arguments");
        assert_eq!(says(&["walk", "0x8000000000000000"]), "walk: expected walk ADDRESS");
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(Command::parse(&["p2m", "0x1F", "10"]), Ok(Command::P2m(Pfn::new(31), 10)));
    }
}
