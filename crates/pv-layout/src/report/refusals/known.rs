//! The form of the tables: a message by its words, the program that prints it, and what is known of it.

use super::stories::Story;

/// Libxl's last word about a domain.
pub(super) const LAST: &str = "cannot (re-)build domain";

/// Which program prints it; this decides the writer of a line that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// libxenguest, until 4.14 libxenctrl and libxenguest.
    Guest,
    /// libelf, which is in the toolstack and in Xen.
    Elf,
    /// libxl and `xl`.
    Light,
    /// Xen's builders of the initial domain.
    Xen,
    /// GRUB inside a guest, or GRUB that loads Xen.
    Grub,
}

/// What is known of a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Says {
    /// Its cause and its cure.
    Story(&'static Story),
    /// It is repeated as it is: why no more can be said.
    Quoted(&'static str),
    /// Something failed before, which another message explains; alone it has this story.
    After(&'static Story),
}

/// A message by words that are all in it, or in its neighbours.
pub(super) struct Known {
    pub(super) source: Source,
    pub(super) words: &'static [&'static str],
    pub(super) says: Says,
}

pub(super) const fn known(source: Source, words: &'static [&'static str], says: Says) -> Known {
    Known { source, words, says }
}
