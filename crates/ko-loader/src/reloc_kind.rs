//! Types of relocation: the arithmetic of the x86-64 psABI, with no file and no memory in sight.
//!
//! | type | value | width | must fit |
//! | --- | --- | --- | --- |
//! | 64 | S + A | 8 | |
//! | 32 | S + A | 4 | zero-extended |
//! | 32S | S + A | 4 | sign-extended |
//! | PC32, PLT32 | S + A - P | 4 | sign-extended |
//! | PC64 | S + A - P | 8 | |
//! | GOTPCREL, GOTPCRELX, REX_GOTPCRELX | G + A - P | 4 | sign-extended |
//!
//! S is the symbol's address, A the addend, P the place, G the address of S's entry in the GOT. The sums wrap at 64
//! bits; whether the result may be cut to four bytes is a question of its own.
//!
//! Neighbours: `reloc` alone. Sources: x86-64 psABI 4.4 "Relocation", table 4.9.

use core::fmt;

use ::elf::abi;

/// Number of bytes that a relocation writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Four bytes.
    Four,
    /// Eight bytes.
    Eight,
}

/// Types of relocation that the loader serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocKind {
    /// `R_X86_64_64`.
    Abs64,
    /// `R_X86_64_32`.
    Abs32,
    /// `R_X86_64_32S`.
    Abs32S,
    /// `R_X86_64_PC32`.
    Pc32,
    /// `R_X86_64_PLT32`.
    Plt32,
    /// `R_X86_64_PC64`.
    Pc64,
    /// `R_X86_64_GOTPCREL` and its two forms that a linker may relax; nothing is relaxed here.
    GotPc32,
}

impl Width {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

impl RelocKind {
    /// Returns the type with this number; none for `R_X86_64_NONE`.
    ///
    /// # Errors
    ///
    /// The number, if the loader does not serve it.
    pub(crate) const fn from_raw(raw: u32) -> Result<Option<Self>, u32> {
        Ok(Some(match raw {
            abi::R_X86_64_NONE => return Ok(None),
            abi::R_X86_64_64 => Self::Abs64,
            abi::R_X86_64_32 => Self::Abs32,
            abi::R_X86_64_32S => Self::Abs32S,
            abi::R_X86_64_PC32 => Self::Pc32,
            abi::R_X86_64_PLT32 => Self::Plt32,
            abi::R_X86_64_PC64 => Self::Pc64,
            abi::R_X86_64_GOTPCREL | abi::R_X86_64_GOTPCRELX | abi::R_X86_64_REX_GOTPCRELX => Self::GotPc32,
            other => return Err(other),
        }))
    }

    /// Returns the value that goes to `from` for the address `to` (of the symbol, or of its entry in the GOT).
    pub(crate) const fn value(self, from: u64, to: u64, addend: i64) -> u64 {
        let sum = to.wrapping_add_signed(addend);
        match self {
            Self::Abs64 | Self::Abs32 | Self::Abs32S => sum,
            Self::Pc32 | Self::Plt32 | Self::Pc64 | Self::GotPc32 => sum.wrapping_sub(from),
        }
    }

    /// Returns whether `value` survives the cut to the type's width.
    pub(crate) fn holds(self, value: u64) -> bool {
        match self {
            Self::Abs64 | Self::Pc64 => true,
            Self::Abs32 => u32::try_from(value).is_ok(),
            Self::Abs32S | Self::Pc32 | Self::Plt32 | Self::GotPc32 => {
                i32::try_from(value.cast_signed()).is_ok()
            }
        }
    }

    /// Returns how much the type writes.
    pub(crate) const fn width(self) -> Width {
        match self {
            Self::Abs64 | Self::Pc64 => Width::Eight,
            _ => Width::Four,
        }
    }

    /// Says where a symbol must be for the type to hold it.
    pub(crate) const fn reach(self) -> &'static str {
        match self {
            Self::Abs64 | Self::Pc64 => "64 bits",
            Self::Abs32 => "the lowest 4 GiB",
            Self::Abs32S => "the lowest or highest 2 GiB",
            Self::Pc32 | Self::Plt32 | Self::GotPc32 => "2 GiB of the place",
        }
    }
}

impl fmt::Display for RelocKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Abs64 => "R_X86_64_64",
            Self::Abs32 => "R_X86_64_32",
            Self::Abs32S => "R_X86_64_32S",
            Self::Pc32 => "R_X86_64_PC32",
            Self::Plt32 => "R_X86_64_PLT32",
            Self::Pc64 => "R_X86_64_PC64",
            Self::GotPc32 => "R_X86_64_GOTPCREL",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: u64 = 0xffff_ffff_a000_0000;
    const KERNEL: u64 = 0xffff_ffff_8100_0000;

    #[test]
    fn a_call_from_the_module_area_into_the_image_is_negative_and_fits() {
        let value = RelocKind::Plt32.value(MODULE, KERNEL, -4);
        assert_eq!(value.cast_signed(), -0x1f00_0004);
        assert!(RelocKind::Plt32.holds(value));
    }

    #[test]
    fn a_distance_of_exactly_two_gib_fits_downwards_only() {
        let down = RelocKind::Pc32.value(MODULE, MODULE - 0x8000_0000, 0);
        assert!(RelocKind::Pc32.holds(down));
        assert!(!RelocKind::Pc32.holds(down.wrapping_sub(1)));
        let low = KERNEL - 0x8000_0000;
        let up = RelocKind::Pc32.value(low, low + 0x7fff_ffff, 0);
        assert!(RelocKind::Pc32.holds(up));
        assert!(!RelocKind::Pc32.holds(up + 1));
    }

    #[test]
    fn high_addresses_fit_sign_extended_but_not_zero_extended() {
        assert!(RelocKind::Abs32S.holds(MODULE));
        assert!(!RelocKind::Abs32.holds(MODULE));
        assert!(RelocKind::Abs32.holds(0xffff_ffff));
        assert!(!RelocKind::Abs32S.holds(0xffff_ffff));
        assert!(!RelocKind::Abs32S.holds(0xffff_ffff_7fff_ffff));
    }

    #[test]
    fn an_unserved_type_is_returned_by_number() {
        assert_eq!(RelocKind::from_raw(abi::R_X86_64_NONE), Ok(None));
        assert_eq!(RelocKind::from_raw(abi::R_X86_64_TPOFF32), Err(23));
    }
}
