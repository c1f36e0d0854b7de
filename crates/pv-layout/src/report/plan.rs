//! The domain builder's arithmetic: where its rows would end with another size, ramdisk or note.
//!
//! Both builders put kernel, ramdisk, P2M, start info (and for guests two rings), page tables and a boot stack one
//! behind the other, a page each where nothing else is said. The mapping ends on 4 MiB with at least 512 KiB to spare,
//! and the tables map all of it, themselves included. Source: `xg_dom_x86.c` (`count_pgtables`) and
//! `pv/dom0_build.c`; the tests hold it to real logs.

use crate::scene::{HIGH, Kind, PAGE, Scene};

/// Entries of a page table, and of a page of P2M.
const ENTRIES: u64 = 512;
/// Pages of a GiB.
pub(super) const GIB: u64 = 1 << 18;
const END_ALIGNMENT: u64 = (4 << 20) / PAGE;
const PADDING: u64 = (512 << 10) / PAGE;
/// The high mapping has two GiB.
const MOST: u64 = 2 * GIB;

/// What decides where everything ends, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// From the start of the high mapping to the kernel's end.
    pub kernel_end: u64,
    /// Of the mapped ramdisk.
    pub ramdisk: u64,
    /// Of the guest, if its list is in the high mapping.
    pub listed: Option<u64>,
    /// Start info and rings.
    pub info: u64,
}

impl Plan {
    /// The plan behind a scene's rows, with the guest's pages beside it.
    pub(super) fn of(scene: &Scene) -> Option<(Self, u64)> {
        let row = |kind| scene.rows.iter().find(|row| row.kind == kind);
        let kernel = row(Kind::Kernel)?.end()?.checked_sub(HIGH)? / PAGE;
        let list = row(Kind::P2m)?;
        let is_high = list.address? >= HIGH;
        let ramdisk = row(Kind::Ramdisk).filter(|row| row.address.is_some()).map_or(0, |row| row.pages);
        let rings =
            [Kind::StartInfo, Kind::Xenstore, Kind::Console].into_iter().filter(|kind| row(*kind).is_some());
        let pages = scene.pages.unwrap_or_else(|| list.pages.saturating_mul(ENTRIES));
        let plan = Self {
            kernel_end: kernel,
            ramdisk,
            listed: is_high.then_some(pages),
            info: rings.count().max(1) as u64,
        };
        (kernel < MOST && ramdisk < MOST).then_some((plan, pages))
    }

    /// Pages from the start of the high mapping to what the builder uses last.
    pub(super) fn end(self) -> u64 {
        let list = self.listed.map_or(0, |pages| pages.div_ceil(ENTRIES));
        let before =
            [self.kernel_end, self.ramdisk, list, self.info].into_iter().fold(0, u64::saturating_add);
        let mut tables = 0;
        loop {
            let needed = tables_for(before.saturating_add(tables).saturating_add(1 + PADDING));
            if needed <= tables || before >= MOST {
                return before.saturating_add(tables).saturating_add(1);
            }
            tables = needed;
        }
    }

    /// The address behind what the builder uses last.
    pub(super) fn end_address(self) -> u64 {
        HIGH.saturating_add(self.end().saturating_mul(PAGE))
    }

    /// Whether nothing lies at `limit` or above, which is in pages from the start of the high mapping.
    pub(super) fn fits(self, limit: u64) -> bool {
        self.end() <= limit
    }

    /// The fewest whole GiB with which it does not fit any more; nothing if the list is elsewhere.
    pub(super) fn collides_from_gib(self, limit: u64) -> Option<u64> {
        self.listed?;
        let with = |gib: u64| Self { listed: Some(gib * GIB), ..self };
        (self.fits_without_list(limit))
            .then(|| first(1..=MOST / ENTRIES * 2, |gib| !with(gib).fits(limit)))?
    }

    fn fits_without_list(self, limit: u64) -> bool {
        Self { listed: Some(0), ..self }.fits(limit)
    }

    /// The most whole MiB of mapped ramdisk with which it fits; nothing if none does.
    pub(super) fn largest_ramdisk_mib(self, limit: u64) -> Option<u64> {
        let with = |mib: u64| Self { ramdisk: mib * 256, ..self };
        first(0..=MOST / 256, |mib| !with(mib).fits(limit))?.checked_sub(1)
    }
}

/// Page tables for this many pages, rounded as the builder rounds: L1s, one L2 a GiB, an L3 and an L4.
fn tables_for(pages: u64) -> u64 {
    let end = pages.div_ceil(END_ALIGNMENT).saturating_mul(END_ALIGNMENT);
    end.div_ceil(ENTRIES) + end.div_ceil(GIB) + 2
}

/// The first of a range from which on a condition holds, by halving.
fn first(range: std::ops::RangeInclusive<u64>, holds: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (*range.start(), range.end().saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    range.contains(&low).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::{GIB, Plan};

    const AREA: u64 = 0x2_0000;
    const SEED: Plan = Plan { kernel_end: 0x1e43, ramdisk: 0x10784, listed: Some(128 * GIB), info: 3 };

    #[test]
    fn the_seeds_rows_end_where_its_log_says() {
        assert_eq!(SEED.end_address(), 0xffff_ffff_a26e_2000);
    }

    #[test]
    fn real_boots_end_where_their_logs_say() {
        // An initial domain of 256 MiB, and a Linux guest of 512 MiB with its list elsewhere: Xen 4.17.
        let initial = Plan { kernel_end: 0x109b, ramdisk: 0, listed: Some(0x1_0000), info: 1 };
        assert_eq!(initial.end_address(), 0xffff_ffff_8112_a000);
        let linux = Plan { kernel_end: 0x4a00, ramdisk: 0, listed: None, info: 3 };
        assert_eq!(linux.end_address(), 0xffff_ffff_84a2_d000);
    }

    #[test]
    fn the_limits_are_the_last_that_fit() {
        let gib = SEED.collides_from_gib(AREA).unwrap();
        let with = |gib: u64| Plan { listed: Some(gib * GIB), ..SEED };
        assert!(with(gib - 1).fits(AREA) && !with(gib).fits(AREA), "{gib}");
        let mib = SEED.largest_ramdisk_mib(AREA).unwrap();
        let with = |mib: u64| Plan { ramdisk: mib * 256, ..SEED };
        assert!(with(mib).fits(AREA) && !with(mib + 1).fits(AREA), "{mib}");
        assert_eq!((gib, mib), (109, 224));
    }

    #[test]
    fn absurd_sizes_have_an_end_too() {
        let absurd = Plan { kernel_end: u64::MAX, ramdisk: u64::MAX, listed: Some(u64::MAX), info: 3 };
        assert!(!absurd.fits(AREA));
        assert_eq!((absurd.collides_from_gib(AREA), absurd.largest_ramdisk_mib(AREA)), (None, None));
    }
}
