//! What would help: the arithmetic of `predict`, asked about the guest of a log.
//!
//! A scene's rows give the domain that a builder must have had before it, and the log may name the builder. If
//! `predict` lays that domain out as the log says, its answers about other sizes and notes count; if not (a builder
//! with habits of its own, a guest of several modules), none is given, because a cure that arithmetic does not show is
//! a guess.

use crate::{
    predict::{
        self,
        domain::{Builder, Domain, Kernel, RamdiskPlace},
    },
    scene::{HIGH, Kind, ModuleArea, PAGE, Row, Scene},
    sizes::Size,
};

/// Pages of a GiB and of a MiB.
pub(super) const GIB: u64 = 1 << 18;
const MIB: u64 = 1 << 8;
/// More memory than any list in two GiB of addresses is for.
const MOST_GIB: u64 = 4096;

/// A domain whose builder does what the log says.
#[derive(Debug, Clone, Copy)]
pub(super) struct WhatIf {
    domain: Domain,
    area: ModuleArea,
}

impl WhatIf {
    /// The domain of a scene, if it is understood. `named` is its builder, if the log names one.
    pub(super) fn of(scene: &Scene, named: Option<Builder>) -> Option<Self> {
        let row = |kind| row(scene, kind);
        let (kernel, list) = (row(Kind::Kernel)?, row(Kind::P2m)?);
        let ramdisk = row(Kind::Ramdisk);
        let place = match ramdisk {
            Some(row) if row.address.is_none() => RamdiskPlace::Unmapped,
            _ => RamdiskPlace::Mapped,
        };
        let domain = Domain {
            builder: named.unwrap_or_else(|| builder(scene)),
            pages: scene.pages.unwrap_or_else(|| list.pages.saturating_mul(PAGE / 8)),
            kernel: Kernel {
                base: HIGH,
                start: kernel.address?,
                end: kernel.end()?,
                list_at: list.address.filter(|at| *at < HIGH),
                ramdisk: place,
            },
            ramdisk: ramdisk.map(|row| row.pages.saturating_mul(PAGE)),
        };
        let found = Self { domain, area: scene.area };
        found.repeats(scene).then_some(found)
    }

    /// Whether the arithmetic puts every mapped row where the log has it.
    fn repeats(&self, scene: &Scene) -> bool {
        let Ok(plan) = self.domain.plan() else { return false };
        let same = |row: &Row| {
            let placed = plan.rows.iter().find(|placed| placed.kind == row.kind);
            placed.is_some_and(|placed| (placed.address, placed.pages) == (row.address, row.pages))
        };
        scene.rows.iter().filter(|row| row.address.is_some_and(|at| at >= HIGH)).all(same)
    }

    /// Whether the list is in the high mapping.
    pub(super) fn list_is_high(&self) -> bool {
        self.domain.list_address().is_none()
    }

    /// Pages of a mapped ramdisk.
    pub(super) fn mapped_ramdisk(&self) -> Option<u64> {
        let mapped = self.domain.kernel.ramdisk == RamdiskPlace::Mapped;
        self.domain.ramdisk.filter(|bytes| mapped && *bytes > 0).map(|bytes| bytes.div_ceil(PAGE))
    }

    pub(super) fn pages(&self) -> u64 {
        self.domain.pages
    }

    /// Pages from the start of the high mapping to the kernel's end.
    pub(super) fn kernel_end(&self) -> u64 {
        self.domain.kernel.end.saturating_sub(HIGH) / PAGE
    }

    /// Bytes below the module area that nothing uses.
    pub(super) fn room(&self) -> Option<u64> {
        self.area.start.checked_sub(self.end()?)
    }

    /// The first address after all rows, if the builder would not refuse.
    fn end(&self) -> Option<u64> {
        self.domain.plan().ok().map(|plan| plan.alloc_end)
    }

    fn fits(&self) -> bool {
        let Ok(plan) = self.domain.plan() else { return false };
        predict::collision(&predict::scene(&self.domain, &plan, self.area)).is_empty()
    }

    /// The end of all rows with notes that keep them out of the module area, if they do.
    pub(super) fn with_notes(&self, list: Note, ramdisk: Note) -> Option<u64> {
        let mut other = *self;
        if list == Note::Added {
            other.domain.kernel.list_at.get_or_insert(0x80_0000_0000);
        }
        if ramdisk == Note::Added {
            other.domain.kernel.ramdisk = RamdiskPlace::Unmapped;
        }
        other.end().filter(|_| other.fits())
    }

    /// The most whole MiB of ramdisk with which nothing is in the way.
    pub(super) fn largest_ramdisk(&self) -> Option<Size> {
        let has = self.mapped_ramdisk()?;
        let with = |mib: u64| {
            let ramdisk = Some(mib * MIB * PAGE).filter(|bytes| *bytes > 0);
            Self { domain: Domain { ramdisk, ..self.domain }, ..*self }
        };
        let mib = first(0..=has.div_ceil(MIB), |mib| !with(mib).fits())?.checked_sub(1)?;
        Some(Size::of_mib(mib))
    }

    /// The fewest whole GiB with which something is in the way, and that leave nothing there with one GiB less.
    pub(super) fn collides_from_gib(&self) -> Option<u64> {
        if !self.list_is_high() {
            return None;
        }
        let with = |gib: u64| Self { domain: Domain { pages: gib * GIB, ..self.domain }, ..*self };
        let collides = |gib: u64| {
            let other = with(gib);
            other.end().is_none_or(|end| end > self.area.start)
        };
        let least = self.domain.pages.min(GIB) / GIB;
        let gib = first(least.max(1)..=MOST_GIB, collides)?;
        (gib > 1 && with(gib - 1).fits()).then_some(gib)
    }
}

fn row(scene: &Scene, kind: Kind) -> Option<&Row> {
    scene.rows.iter().find(|row| row.kind == kind)
}

/// The builder that the rows show. A guest has two rings after start info, and GRUB turns them round; a log may lack
/// their rows.
fn builder(scene: &Scene) -> Builder {
    let pfn = |kind| row(scene, kind).and_then(|row| row.pfn);
    let gap = pfn(Kind::PageTables).zip(pfn(Kind::StartInfo)).and_then(|(to, from)| to.checked_sub(from));
    match (pfn(Kind::Xenstore), pfn(Kind::Console)) {
        (Some(xenstore), Some(console)) if console < xenstore => Builder::Grub,
        _ if row(scene, Kind::Xenstore).is_some() || gap == Some(3) => Builder::Toolstack,
        _ => Builder::Xen,
    }
}

/// Whether a kernel has a note that it does not have in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    AsItIs,
    Added,
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
    use super::*;
    use crate::scene::After;

    /// The guest of Linux commit 357a3cfb, laid out by the arithmetic itself.
    fn guest_357a3cfb(builder: Builder) -> Scene {
        let kernel = Kernel::of_pages(0xe43);
        let ramdisk = Some(0x1_0784 * PAGE);
        let domain = Domain { builder, pages: 128 * GIB, kernel, ramdisk };
        predict::scene(&domain, &domain.plan().unwrap(), ModuleArea::CLASSIC)
    }

    #[test]
    fn the_limits_are_the_last_that_fit() {
        let what_if = WhatIf::of(&guest_357a3cfb(Builder::Toolstack), None).unwrap();
        assert_eq!(what_if.largest_ramdisk(), Some(Size::of_mib(224)));
        assert_eq!(what_if.collides_from_gib(), Some(109));
        assert_eq!(what_if.with_notes(Note::Added, Note::AsItIs), Some(0xffff_ffff_9266_2000));
        assert_eq!(what_if.with_notes(Note::AsItIs, Note::Added), Some(0xffff_ffff_91ed_a000));
        assert_eq!(what_if.with_notes(Note::AsItIs, Note::AsItIs), None);
    }

    #[test]
    fn each_builders_limits_are_by_its_own_arithmetic() {
        for builder in Builder::ALL {
            let what_if = WhatIf::of(&guest_357a3cfb(builder), Some(builder)).unwrap();
            assert_eq!(what_if.domain.builder, builder);
            let fits = |pages, ramdisk: u64| {
                let domain = Domain { pages, ramdisk: Some(ramdisk), ..what_if.domain };
                domain.plan().is_ok_and(|plan| plan.alloc_end <= ModuleArea::CLASSIC.start)
            };
            let (ramdisk, gib) = (what_if.largest_ramdisk().unwrap().0, what_if.collides_from_gib().unwrap());
            assert!(fits(128 * GIB, ramdisk) && !fits(128 * GIB, ramdisk + (1 << 20)), "{builder}");
            let own = what_if.domain.ramdisk.unwrap();
            assert!(fits((gib - 1) * GIB, own) && !fits(gib * GIB, own), "{builder}");
        }
    }

    #[test]
    fn another_builders_arithmetic_is_not_asked() {
        let of_grub = guest_357a3cfb(Builder::Grub);
        assert_eq!(WhatIf::of(&of_grub, None).map(|what_if| what_if.domain.builder), Some(Builder::Grub));
        assert!(WhatIf::of(&of_grub, Some(Builder::Toolstack)).is_none());
        assert!(WhatIf::of(&guest_357a3cfb(Builder::Toolstack), Some(Builder::Grub)).is_none());
    }

    #[test]
    fn a_layout_that_the_arithmetic_does_not_repeat_has_no_cure() {
        for builder in Builder::ALL {
            let mut scene = guest_357a3cfb(builder);
            scene.rows[3].address = Some(0xffff_ffff_a25c_8000);
            assert!(WhatIf::of(&scene, Some(builder)).is_none(), "{builder}");
        }
        let nothing = Scene { rows: Vec::new(), after: After::Unknown, ..guest_357a3cfb(Builder::Toolstack) };
        assert!(WhatIf::of(&nothing, None).is_none());
    }
}
