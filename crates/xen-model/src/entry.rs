//! Page-table entries as Xen sees them: which bits it allows, which it adds, which make it crash the domain.
//!
//! Written from Xen's side, with numbers of its own: a slip in `xen::pte` must not be repeated here.
//! Sources: xen/arch/x86/mm.c (base_disallow_mask, l1_disallow_mask), xen/arch/x86/pv/mm.h (adjust_guest_l*e).

use crate::builder::Hardware;
use xen::addr::Mfn;
use xen::pte::Level;

pub(crate) const PRESENT: u64 = 1;
pub(crate) const WRITABLE: u64 = 1 << 1;
pub(crate) const USER: u64 = 1 << 2;
const UNCACHED: u64 = 1 << 3 | 1 << 4;
pub(crate) const ACCESSED: u64 = 1 << 5;
pub(crate) const DIRTY: u64 = 1 << 6;
/// Large page at levels 2 and 3, memory type at level 1.
pub(crate) const LARGE: u64 = 1 << 7;
pub(crate) const GLOBAL: u64 = 1 << 8;
const AVAILABLE: u64 = 7 << 9;
/// Marks a kernel's mapping (`_PAGE_GUEST_KERNEL`).
pub(crate) const GUEST_KERNEL: u64 = 1 << 52;
/// Bits 52 to 61; 62 marks grants in a debug Xen (`_PAGE_GNTTAB`), which refuses it from a guest.
const AVAILABLE_HIGH: u64 = 0x3ff << 52;
pub(crate) const NO_EXECUTE: u64 = 1 << 63;
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// L4 slots of Xen's own.
pub(crate) const XEN_SLOTS: core::ops::RangeInclusive<usize> = 256..=271;

/// Returns the frame in an entry.
pub(crate) const fn frame(entry: u64) -> Mfn {
    Mfn::new((entry & FRAME) >> 12)
}

/// Tells whether the processor follows an entry.
pub(crate) const fn is_present(entry: u64) -> bool {
    entry & PRESENT != 0
}

/// Tells whether an entry maps a large page: bit 7 is a memory type at level 1, and reserved at level 4.
pub(crate) const fn is_large(entry: u64, level: Level) -> bool {
    matches!(level, Level::L2 | Level::L3) && entry & LARGE != 0
}

/// Mirrors `l1_disallow_mask` and `base_disallow_mask`: cache attributes are for domains with hardware.
pub(crate) const fn has_disallowed_bits(entry: u64, level: Level, hardware: Hardware) -> bool {
    let base = PRESENT | WRITABLE | USER | ACCESSED | DIRTY | AVAILABLE | AVAILABLE_HIGH | NO_EXECUTE | FRAME;
    let allowed = match (level, hardware) {
        (Level::L1, Hardware::None) => base | GLOBAL,
        (Level::L1, Hardware::Some) => base | GLOBAL | UNCACHED | LARGE,
        (Level::L2 | Level::L3 | Level::L4, _) => base,
    };
    entry & !allowed != 0
}

/// Mirrors `adjust_guest_l1e` to `adjust_guest_l4e`: a mapping without U is the kernel's, one with it is global.
pub(crate) const fn adjusted(entry: u64, level: Level) -> u64 {
    match level {
        Level::L1 if entry & USER == 0 => (entry & !GLOBAL) | USER | GUEST_KERNEL,
        Level::L1 if entry & GUEST_KERNEL == 0 => entry | GLOBAL,
        Level::L1 => entry & !GLOBAL,
        Level::L2 | Level::L3 => entry | USER,
        Level::L4 => entry | USER | ACCESSED,
    }
}

/// Mirrors `FASTPATH_FLAG_WHITELIST`: changes of these bits alone are not validated again.
pub(crate) const fn differs_in_harmless_bits(old: u64, new: u64) -> bool {
    let harmless = NO_EXECUTE | AVAILABLE_HIGH | AVAILABLE | GLOBAL | DIRTY | ACCESSED | USER;
    (old ^ new) & !harmless == 0
}

/// Mirrors `pv_l1tf_check_l1e` and its like without shadow paging: the domain is crashed, not refused.
///
/// # Panics
/// If the entry is not present and keeps an address, or, above level 1, the bit of large pages.
pub(crate) fn check_absent(entry: u64, level: Level) {
    let is_large = level > Level::L1 && entry & LARGE != 0;
    assert!(
        entry & FRAME == 0 && !is_large,
        "Xen crashes the domain: L1TF-vulnerable {level:?} entry {entry:#x}: an absent entry must be zero"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_mapping_gets_u_and_bit_52_and_never_g() {
        assert_eq!(adjusted(0x1003 | GLOBAL, Level::L1), 0x1007 | GUEST_KERNEL);
        assert_eq!(adjusted(0x1007, Level::L1), 0x1007 | GLOBAL);
        assert_eq!(adjusted(0x1003, Level::L2), 0x1007);
        assert_eq!(adjusted(0x1003, Level::L4), 0x1027);
    }

    #[test]
    fn large_pages_and_uncached_ones_are_refused() {
        for level in [Level::L2, Level::L3, Level::L4] {
            assert!(has_disallowed_bits(0x1083, level, Hardware::Some));
        }
        assert!(has_disallowed_bits(0x1013, Level::L1, Hardware::None));
        assert!(!has_disallowed_bits(0x1013, Level::L1, Hardware::Some));
        assert!(has_disallowed_bits(0x1003 | 1 << 62, Level::L1, Hardware::None));
        assert!(!has_disallowed_bits(0x1067 | GUEST_KERNEL | NO_EXECUTE, Level::L1, Hardware::None));
    }
}
