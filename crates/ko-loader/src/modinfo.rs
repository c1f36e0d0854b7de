//! What a Linux module says about itself: `.modinfo`, and the name in `.gnu.linkonce.this_module`.
//!
//! `.modinfo` is a list of `key=value` texts, each ended by NUL. `struct module` is Linux's own and changes with its
//! version and options; only its start has stood still, and only the name in it is read, as a fallback.
//!
//! Neighbours: `order` follows `depends`, `load` reports the rest. Sources: Linux include/linux/moduleparam.h
//! (facts), the `modinfo` program's output.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::elf::Object;
use crate::text;

/// Section that only objects made for Linux have.
pub(crate) const THIS_MODULE: &str = ".gnu.linkonce.this_module";
const MODINFO: &str = ".modinfo";
/// The name in `struct module`, after its state and its place in a list.
const NAME_AT: core::ops::Range<usize> = 24..80;

/// What a module says about itself; empty for an object that was not made for Linux.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModInfo<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// Names of the modules that it needs.
    pub depends: Vec<&'a str>,
    /// Kernel that it was built for.
    pub vermagic: Option<&'a str>,
}

impl<'a> ModInfo<'a> {
    /// Reads it; what is not fit for the log is left out.
    #[must_use]
    pub fn of(object: &Object<'a>) -> Self {
        let data = |name: &str| object.sections().iter().find(|section| section.name == name);
        let mut info = Self::default();
        for (key, value) in data(MODINFO).into_iter().flat_map(|section| pairs(section.data)) {
            match key {
                "name" => info.name = Some(value),
                "vermagic" => info.vermagic = Some(value.trim_end()),
                "depends" => info.depends = value.split(',').filter(|name| !name.is_empty()).collect(),
                _ => {}
            }
        }
        let own = || text::read(data(THIS_MODULE)?.data.get(NAME_AT)?.split(|byte| *byte == 0).next()?);
        info.name = info.name.or_else(own).filter(|name| !name.is_empty());
        info
    }
}

/// Name of a module; a file's `-` is a `_` in the module's name, so the two are equal here.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a>(pub &'a str);

impl Name<'_> {
    fn plain(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| if byte == b'-' { b'_' } else { byte })
    }
}

impl Ord for Name<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.plain().cmp(other.plain())
    }
}

impl PartialOrd for Name<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.plain().eq(other.plain())
    }
}

impl Eq for Name<'_> {}

fn pairs(data: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    data.split(|byte| *byte == 0).filter_map(|pair| text::read(pair)?.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_at_their_first_equals_sign_and_noise_is_left_out() {
        let data =
            b"depends=a,b\0\0vermagic=6.1 SMP \0\xff=x\0name=a\nTest result: SUCCESS\0parm=n:help = text";
        let found: Vec<_> = pairs(data).collect();
        assert_eq!(found, [("depends", "a,b"), ("vermagic", "6.1 SMP "), ("parm", "n:help = text")]);
    }

    #[test]
    fn a_dash_in_a_file_s_name_is_an_underscore() {
        assert_eq!(Name("crc-itu-t"), Name("crc_itu_t"));
        assert_ne!(Name("crc7"), Name("crc8"));
    }
}
