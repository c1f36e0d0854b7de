//! Addresses as people write them on a command line: one parser for each meaning of an address.
//!
//! Hexadecimal, as the builders' logs have them: `0xffffffffa0000000`, or without the `0x`. An address that is
//! impossible for its purpose is refused here, not drawn. `predict`, `check` and `report` take them.

use crate::scene::{HIGH, ModuleArea, PAGE};
use anyhow::{Context, Result, ensure};
use std::{ops::Range, str::FromStr};

/// The hypervisor's own range: L4 slots 256 to 271.
const HYPERVISOR: Range<u64> = 0xffff_8000_0000_0000..0xffff_8800_0000_0000;
/// Bits 47 to 63 of an address are all equal.
const CANONICAL: u32 = 47;

/// Where the module area starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModulesAt(pub u64);

/// Where an image wants its P2M: the value of the note `INIT_P2M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListAt(pub u64);

impl ModulesAt {
    /// The module area from there on.
    #[must_use]
    pub const fn area(self) -> ModuleArea {
        ModuleArea { start: self.0, ..ModuleArea::CLASSIC }
    }
}

impl FromStr for ModulesAt {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let address = page(text, "0xffffffffa0000000")?;
        let end = ModuleArea::CLASSIC.end;
        ensure!(
            (HIGH..end).contains(&address),
            "expected an address of the high mapping, from {HIGH:#x} on and below {end:#x}, found {address:#x}: \
             modules are within 2 GiB of the kernel"
        );
        Ok(Self(address))
    }
}

impl FromStr for ListAt {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let address = page(text, "0x8000000000")?;
        let extended = (address as i64) << (63 - CANONICAL) >> (63 - CANONICAL); // the same bits, signed
        ensure!(
            extended as u64 == address,
            "expected a canonical address (bits 47 to 63 all equal), found {address:#x}: Linux wants 0x8000000000"
        );
        ensure!(
            !HYPERVISOR.contains(&address),
            "expected an address outside the hypervisor's {:#x} -> {:#x}, found {address:#x}: Linux wants 0x8000000000",
            HYPERVISOR.start,
            HYPERVISOR.end
        );
        Ok(Self(address))
    }
}

/// Reads the address of a page; nothing lies at page 0.
fn page(text: &str, example: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text).replace('_', "");
    let address = u64::from_str_radix(&digits, 16)
        .with_context(|| format!("expected a hexadecimal address such as {example}, found '{text}'"))?;
    ensure!(address != 0, "expected an address such as {example}, found 0");
    ensure!(
        address.is_multiple_of(PAGE),
        "expected the address of a page, a multiple of 0x1000, found {address:#x}: try {:#x}",
        address - address % PAGE
    );
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(text: &str) -> Option<u64> {
        text.parse::<ModulesAt>().ok().map(|at| at.0)
    }

    fn list(text: &str) -> Option<u64> {
        text.parse::<ListAt>().ok().map(|at| at.0)
    }

    #[test]
    fn addresses_are_hexadecimal_with_or_without_0x() {
        assert_eq!(modules("0xffffffffa0000000"), Some(0xffff_ffff_a000_0000));
        assert_eq!(modules("ffffffffc0000000"), Some(0xffff_ffff_c000_0000));
        assert_eq!(modules("0xffff_ffff_a000_0000"), Some(0xffff_ffff_a000_0000));
        assert_eq!(list("0x8000000000"), Some(0x80_0000_0000));
    }

    #[test]
    fn what_is_no_address_of_the_module_area_is_refused_with_a_message() {
        for text in
            ["", "moon", "-1", "abc", "5", "0x0", "0xffffffffa0000800", "0x1000", "0xffffffffff000000"]
        {
            let error = text.parse::<ModulesAt>().unwrap_err().to_string();
            assert!(error.contains("expected") && error.contains("found"), "{text}: {error}");
        }
    }

    #[test]
    fn a_list_is_neither_in_the_hypervisors_range_nor_where_no_address_is() {
        for text in [
            "0xffff800000000000",
            "0xffff87fffffff000",
            "0x800000000000",
            "0xfff0000000000000",
            "0x8000000001",
        ] {
            assert_eq!(list(text), None, "{text}");
        }
        let beside = ["0xffff880000000000", "0x7ffffffff000"].map(list);
        assert_eq!(beside, [Some(0xffff_8800_0000_0000), Some(0x7fff_ffff_f000)]);
    }
}
