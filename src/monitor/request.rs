//! The paths that the toolstack writes requests to, and what their values ask for. Pure.
//!
//! Source: docs/misc/xenstore-paths.pandoc.

use alloc::borrow::ToOwned;
use alloc::string::String;

/// A path that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// The most memory comes first: a target may need the room.
    StaticMax,
    /// Memory.
    Target,
    /// The end.
    Shutdown,
    /// A letter.
    Sysrq,
}

impl Path {
    pub(super) const ALL: [Self; 4] = [Self::StaticMax, Self::Target, Self::Shutdown, Self::Sysrq];

    /// The path itself, below the domain's own.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::StaticMax => "memory/static-max",
            Self::Target => "memory/target",
            Self::Shutdown => "control/shutdown",
            Self::Sysrq => "control/sysrq",
        }
    }
}

/// Something that the toolstack asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A shutdown of this kind.
    Shutdown(String),
    /// A sysrq letter.
    Sysrq(String),
    /// So many pages.
    Target(u64),
    /// Room for so many pages.
    Most(u64),
    /// Nothing; but something went wrong with the store.
    Complain(String),
}

impl Request {
    /// Reads what a value asks for, if anything; `kept` pages of what the toolstack counts are not the domain's.
    pub(super) fn read(path: Path, value: &str, kept: u64) -> Option<Self> {
        let pages = || Some((value.trim().parse::<u64>().ok()? / 4).saturating_sub(kept));
        match path {
            Path::StaticMax => pages().map(Self::Most),
            Path::Target => pages().map(Self::Target),
            Path::Shutdown | Path::Sysrq if value.is_empty() => None,
            Path::Shutdown => Some(Self::Shutdown(value.to_owned())),
            Path::Sysrq => Some(Self::Sysrq(value.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_kib_and_what_the_shim_keeps_is_not_the_domains() {
        assert_eq!(Request::read(Path::Target, "65536", 0), Some(Request::Target(16384)));
        assert_eq!(Request::read(Path::StaticMax, "65536\n", 384), Some(Request::Most(16000)));
        assert_eq!(Request::read(Path::Target, "much", 0), None);
        assert_eq!(Request::read(Path::Target, "", 0), None);
    }

    #[test]
    fn an_empty_value_asks_for_nothing() {
        assert_eq!(Request::read(Path::Shutdown, "", 0), None);
        assert_eq!(Request::read(Path::Shutdown, "halt", 0), Some(Request::Shutdown("halt".to_owned())));
    }
}
