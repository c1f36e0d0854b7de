//! Sizes as people write them and as this command prints them: one reader, one writer.
//!
//! A guest's memory is given in MiB, a ramdisk in bytes, a row in pages. Binary units throughout; `p` is a page of
//! 4096 bytes. `predict`, `check`, `run` and the pictures use it.

use crate::scene::PAGE;
use anyhow::{Result, bail};
use std::{fmt, str::FromStr};

const UNITS: [(u64, &str); 5] =
    [(1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// So many pages.
    #[must_use]
    pub const fn of_pages(pages: u64) -> Self {
        Self(pages.saturating_mul(PAGE))
    }

    /// So many MiB.
    #[must_use]
    pub const fn of_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// Pages that hold it.
    #[must_use]
    pub const fn pages(self) -> u64 {
        self.0.div_ceil(PAGE)
    }

    /// Whole MiB of it.
    #[must_use]
    pub const fn mib(self) -> u64 {
        self.0 >> 20
    }
}

impl FromStr for Size {
    type Err = anyhow::Error;

    /// Reads a number, decimal or `0x`, with a unit; a bare number is MiB.
    fn from_str(text: &str) -> Result<Self> {
        match parse(text) {
            Some(size) => Ok(size),
            None => bail!(
                "size '{text}': expected a number with a unit: 64 or 64M (MiB), 512K, 128G, 2T, 12345b (bytes), 0xe43p \
                 (pages); at most 16 EiB"
            ),
        }
    }
}

/// A guest's memory where a toolstack takes it: whole MiB, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mib(pub u64);

/// Whole pages, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages(pub u64);

impl FromStr for Mib {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        whole(text, "MiB", Size::mib, Size::of_mib).map(Self)
    }
}

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Size::of_mib(self.0).fmt(f)
    }
}

impl FromStr for Pages {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        whole(text, "pages of 4 KiB", Size::pages, Size::of_pages).map(Self)
    }
}

/// Reads a size of at least one unit that has no part of a unit; `count` rounds, `size_of` is its reverse.
fn whole(text: &str, unit: &str, count: fn(Size) -> u64, size_of: fn(u64) -> Size) -> Result<u64> {
    let size: Size = text.parse()?;
    match count(size) {
        units if units > 0 && size == size_of(units) => Ok(units),
        _ => bail!("size '{text}': expected whole {unit}, at least one, found {size}: round it"),
    }
}

/// The size that `text` has, if it has one.
#[must_use]
pub fn parse(text: &str) -> Option<Size> {
    let (radix, digits_and_unit) = match text.strip_prefix("0x") {
        Some(rest) => (16, rest),
        None => (10, text),
    };
    // In a hexadecimal number, b is a digit: bytes are given in decimal.
    let end = digits_and_unit.find(|c: char| !c.is_digit(radix)).unwrap_or(digits_and_unit.len());
    let (digits, unit) = digits_and_unit.split_at(end);
    let count = u64::from_str_radix(digits, radix).ok()?;
    count.checked_mul(unit_bytes(unit)?).map(Size)
}

fn unit_bytes(unit: &str) -> Option<u64> {
    Some(match unit {
        "" | "M" | "m" | "MiB" => 1 << 20,
        "K" | "k" | "KiB" => 1 << 10,
        "G" | "g" | "GiB" => 1 << 30,
        "T" | "t" | "TiB" => 1 << 40,
        "p" => PAGE,
        "b" => 1,
        _ => return None,
    })
}

impl fmt::Display for Size {
    /// The largest unit of which there is one, with a decimal unless it is a whole number: `37.8 MiB`, `256 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((unit, name)) = UNITS.iter().find(|(unit, _)| self.0 >= *unit) else {
            return f.pad(&format!("{} bytes", self.0));
        };
        let tenths = (u128::from(self.0) * 10 + u128::from(unit / 2)) / u128::from(*unit);
        if self.0.is_multiple_of(*unit) {
            f.pad(&format!("{} {name}", self.0 / unit))
        } else {
            f.pad(&format!("{}.{} {name}", tenths / 10, tenths % 10))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<u64> {
        parse(text).map(|size| size.0)
    }

    #[test]
    fn a_bare_number_is_mib_and_units_are_binary() {
        assert_eq!(read("64"), Some(64 << 20));
        assert_eq!(read("64M"), Some(64 << 20));
        assert_eq!(read("128G"), Some(128 << 30));
        assert_eq!(read("512KiB"), Some(512 << 10));
        assert_eq!(read("0xe43p"), Some(0xe43 * 4096));
        assert_eq!(read("12345b"), Some(12345));
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_accepted_forms() {
        for text in ["", "M", "12x", "-1", "1.5G", "99999999999999999999", "18446744073709551615G", "0x"] {
            assert_eq!(read(text), None, "{text}");
            assert!(text.parse::<Size>().unwrap_err().to_string().contains("128G"));
        }
    }

    #[test]
    fn the_357a3cfb_overlap_is_written_as_in_its_log() {
        assert_eq!(Size(0x25c_7000).to_string(), "37.8 MiB");
        assert_eq!(Size::of_pages(0x1_0784).to_string(), "263.5 MiB");
        assert_eq!(Size::of_pages(0x1_0000).to_string(), "256 MiB");
        assert_eq!(Size(4095).to_string(), "4.0 KiB");
        assert_eq!(Size(1).to_string(), "1 bytes");
    }

    #[test]
    fn whole_mib_and_whole_pages_are_at_least_one() {
        assert_eq!(["64", "1G", "256p"].map(|text| text.parse::<Mib>().unwrap().0), [64, 1024, 1]);
        assert_eq!(["1p", "64", "8K"].map(|text| text.parse::<Pages>().unwrap().0), [1, 16_384, 2]);
        for text in ["0", "1K", "257p", "moon"] {
            assert!(text.parse::<Mib>().unwrap_err().to_string().contains("expected"), "{text}");
        }
        for text in ["0", "1b", "0p", "4097b"] {
            assert!(text.parse::<Pages>().unwrap_err().to_string().contains("found"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_size_is_written_and_any_text_is_read_without_a_panic(bytes: u64, text: String) {
            prop_assert!(!Size(bytes).to_string().is_empty());
            let _ = parse(&text);
        }
    }
}
