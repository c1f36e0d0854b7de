//! The virtual address space, from low to high.
//!
//! ```text
//! 0xffff800000000000 +--------------------------+ L4 256
//!                    | Xen's own (M2P at start) | never touched
//! 0xffff880000000000 +--------------------------+ L4 272
//!                    | direct map    __va       | pfn n at DIRECT + n * 4096, built by stage 4
//! 0xffff980000000000 +--------------------------+ L4 304
//!                    | not used                 |
//! 0xffffc90000000000 +--------------------------+ L4 402
//!                    | vmalloc                  |
//! 0xffffe90000000000 +--------------------------+
//! 0xffffea0000000000 | P2M list, if it is linear| entry of pfn n at n * 8, or up to 2 MiB further
//!                    +--------------------------+
//! 0xffffffff80000000 +--------------------------+ L4 511, L3 510
//!                    | high kernel map __ka     | pfn n at HIGH + n * 4096, given by the domain builder:
//!                    |                          |   kernel, ramdisk, P2M, start_info, rings, tables, stack
//! 0xffffffffa0000000 +--------------------------+ the builder does not stop here ...
//!                    | module area              | ... and modules need it empty
//! 0xffffffffff000000 +--------------------------+
//! ```
//!
//! The module area must be within 2 GiB of the kernel, because module code reaches it with 32-bit displacements;
//! that is why the P2M has to move and not the module area. The addresses are those of Linux when it had the P2M tree.
//!
//! Sources: Linux Documentation/arch/x86/x86_64/mm.rst (facts); xen/include/public/arch-x86/xen-x86_64.h.

use crate::addr::{L1_SPAN, L3_SPAN, PAGE_SIZE, Pfn, VirtAddr, VirtRange};

/// Xen's own part, the same in every PV guest: entries of the L4 table that no guest may change.
pub const XEN: VirtRange = VirtRange::between(VirtAddr::new(0xffff_8000_0000_0000), DIRECT);
/// Start of the direct map.
pub const DIRECT: VirtAddr = VirtAddr::new(0xffff_8800_0000_0000);
/// The direct map, for domains of up to 16 TiB: 32 L4 slots. Linux gives its own 64 TiB at the same place.
pub const DIRECT_MAP: VirtRange = VirtRange::new(DIRECT, 32 * L3_SPAN);
/// Address space for areas outside the module area.
pub const VMALLOC: VirtRange = VirtRange::new(VirtAddr::new(0xffff_c900_0000_0000), 32 << 40);
/// Address space for a P2M list: 8 bytes for each page of 16 TiB, which begin up to 2 MiB after the start of an L4 slot.
pub const P2M: VirtRange = VirtRange::new(VirtAddr::new(0xffff_ea00_0000_0000), (8 << 32) + L1_SPAN);
/// Start of the high kernel mapping; `VIRT_BASE` of the image.
pub const HIGH: VirtAddr = VirtAddr::new(0xffff_ffff_8000_0000);
/// The high kernel mapping below the module area.
pub const HIGH_MAP: VirtRange = VirtRange::between(HIGH, MODULES_START);
/// Start of the module area.
pub const MODULES_START: VirtAddr = VirtAddr::new(0xffff_ffff_a000_0000);
/// The module area.
pub const MODULES: VirtRange = VirtRange::between(MODULES_START, VirtAddr::new(0xffff_ffff_ff00_0000));

/// Returns a page's address in the high mapping, whether it is mapped there or not.
#[must_use]
pub const fn high(pfn: Pfn) -> VirtAddr {
    linear(HIGH, pfn)
}

/// Returns the page at an address of the high mapping: the first one for an address below it.
#[must_use]
pub const fn high_pfn(at: VirtAddr) -> Pfn {
    Pfn::new(at.as_u64().saturating_sub(HIGH.as_u64()) / PAGE_SIZE)
}

/// Returns a page's address in the direct map, whether it is mapped there or not.
#[must_use]
pub const fn direct(pfn: Pfn) -> VirtAddr {
    linear(DIRECT, pfn)
}

/// Page n at `base + n * 4096`, as in both mappings.
#[must_use]
pub const fn linear(base: VirtAddr, pfn: Pfn) -> VirtAddr {
    VirtAddr::new_truncate(base.as_u64().wrapping_add(pfn.raw().wrapping_mul(PAGE_SIZE)))
}

const _: () = assert!(HIGH_MAP.bytes == 512 << 20);
const _: () = assert!(DIRECT_MAP.end_raw() == 0xffff_9800_0000_0000);
const _: () = assert!(DIRECT_MAP.end_raw() <= VMALLOC.start.as_u64());
const _: () = assert!(VMALLOC.end_raw() <= P2M.start.as_u64() && P2M.end_raw() < HIGH.as_u64());
const _: () = assert!(P2M.start.as_u64().is_multiple_of(L3_SPAN));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_one_address_in_each_mapping_and_the_high_one_leads_back() {
        let page = Pfn::new(0x125c7);
        assert_eq!(high(page).as_u64(), 0xffff_ffff_925c_7000);
        assert_eq!(direct(page).as_u64(), 0xffff_8800_125c_7000);
        assert_eq!(high_pfn(VirtAddr::new(0xffff_ffff_925c_7ff8)), page);
        assert_eq!(high_pfn(VirtAddr::new(0x1000)), Pfn::ZERO);
    }
}
