//! For which sizes a kernel's P2M, or anything else, would lie in the module area.
//!
//! All rows move up as the ramdisk or the memory grows, so that for each memory size there is one ramdisk from which
//! on they collide. It is found by halving, with `predict`'s arithmetic and nothing else.

use crate::{
    predict::{
        Collision, collision,
        domain::{Builder, Domain, Kernel, Refusal},
        scene,
    },
    scene::{ModuleArea, PAGE},
    sizes::Size,
};

/// The largest memory that is asked about: 16 TiB.
const MOST_GIB: u64 = 1 << 14;

/// What happens to a domain of some size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is in the way of modules.
    Fits,
    /// Only small rows are: page tables, the stack, the image itself.
    SmallRows,
    /// The P2M is.
    P2m,
    /// The builder refuses.
    Refused,
}

/// From which ramdisk on each outcome begins, for one memory size; none if never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub memory: Size,
    pub collides_from: Option<Size>,
    pub p2m_from: Option<Size>,
    pub refused_from: Option<Size>,
}

/// What is asked about: a kernel, its builder, the module area.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub kernel: Kernel,
    pub builder: Builder,
    pub area: ModuleArea,
}

impl Question {
    /// What happens with so much memory and so large a ramdisk; 0 is none.
    pub fn fate(&self, memory: Size, ramdisk: Size) -> Fate {
        let ramdisk = Some(ramdisk.0).filter(|bytes| *bytes > 0);
        let domain = Domain { builder: self.builder, pages: memory.pages(), kernel: self.kernel, ramdisk };
        match domain.plan().map(|plan| collision(&scene(&domain, &plan, self.area))) {
            Err(Refusal::NoMemory { .. } | Refusal::NoAddresses | Refusal::BadImage { .. }) => Fate::Refused,
            Ok(Collision { p2m: 0, others: 0 }) => Fate::Fits,
            Ok(Collision { p2m: 0, .. }) => Fate::SmallRows,
            Ok(_) => Fate::P2m,
        }
    }

    /// The limits for one memory size.
    pub fn limits(&self, memory: Size) -> Limits {
        Limits {
            memory,
            collides_from: self.first(memory, |fate| matches!(fate, Fate::SmallRows | Fate::P2m)),
            p2m_from: self.first(memory, |fate| fate == Fate::P2m),
            refused_from: self.first(memory, |fate| fate == Fate::Refused),
        }
    }

    /// The limits for every power of two from 64 MiB to 16 TiB.
    pub fn table(&self) -> Vec<Limits> {
        (6..=24).map(|power| self.limits(Size::of_mib(1 << power))).collect()
    }

    /// The largest memory in whole GiB that the builder can give without a ramdisk; none if it is not less than 16 TiB.
    #[must_use]
    pub fn largest(&self) -> Option<Size> {
        let (mut fits, mut refused) = (0, MOST_GIB + 1);
        while refused - fits > 1 {
            let middle = u64::midpoint(fits, refused);
            let fate = self.fate(Size::of_mib(middle << 10), Size(0));
            if fate == Fate::Refused { refused = middle } else { fits = middle }
        }
        (fits < MOST_GIB).then_some(Size::of_mib(fits << 10))
    }

    /// Whether there is a size at which something is in the way of modules.
    #[must_use]
    pub fn collides(&self) -> bool {
        self.table().iter().any(|limits| limits.collides_from.is_some())
    }

    /// The smallest ramdisk with a wanted outcome. Outcomes are ordered: fits, small rows, P2M, refused.
    fn first(&self, memory: Size, wanted: impl Fn(Fate) -> bool) -> Option<Size> {
        let at_least = |pages: u64| rank(self.fate(memory, Size::of_pages(pages))) >= rank_of(&wanted);
        // No ramdisk is larger than the memory that holds it.
        let (mut low, mut high) = (0, memory.pages() + 1);
        while low < high {
            let middle = u64::midpoint(low, high);
            if at_least(middle) { high = middle } else { low = middle + 1 }
        }
        let found = Size(low * PAGE);
        (low <= memory.pages() && wanted(self.fate(memory, found))).then_some(found)
    }
}

const fn rank(fate: Fate) -> u8 {
    match fate {
        Fate::Fits => 0,
        Fate::SmallRows => 1,
        Fate::P2m => 2,
        Fate::Refused => 3,
    }
}

fn rank_of(wanted: &impl Fn(Fate) -> bool) -> u8 {
    let fates = [Fate::Fits, Fate::SmallRows, Fate::P2m, Fate::Refused];
    fates.into_iter().find(|fate| wanted(*fate)).map_or(u8::MAX, rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::domain::RamdiskPlace;

    fn question(kernel: Kernel) -> Question {
        Question { kernel, builder: Builder::Toolstack, area: ModuleArea::CLASSIC }
    }

    /// Checks a limit and its two neighbours against the condition that it is the limit of.
    #[test]
    fn one_page_less_than_the_limit_does_not_collide_and_the_limit_does() {
        let question = question(Kernel::of_pages(0xe43));
        let mut held = 0;
        for limits in question.table() {
            for (limit, worse) in [(limits.collides_from, Fate::SmallRows), (limits.p2m_from, Fate::P2m)] {
                let Some(limit) = limit else { continue };
                assert!(rank(question.fate(limits.memory, limit)) >= rank(worse));
                if limit.0 > 0 {
                    let less = question.fate(limits.memory, Size(limit.0 - PAGE));
                    assert!(rank(less) < rank(worse), "{limits:?}");
                    held += 1;
                }
            }
        }
        assert!(held > 3, "{held} limits with a neighbour");
    }

    #[test]
    fn the_357a3cfb_guest_collides_from_a_ramdisk_smaller_than_its_own() {
        let limits = question(Kernel::of_pages(0xe43)).limits(Size::of_mib(131_072));
        let p2m = limits.p2m_from.unwrap();
        assert!(p2m < Size::of_pages(0x1_0784) && p2m > Size::of_mib(220), "{p2m}");
    }

    #[test]
    fn with_both_notes_nothing_collides_and_with_one_it_does() {
        let both = Kernel {
            list_at: Some(0x80_0000_0000),
            ramdisk: RamdiskPlace::Unmapped,
            ..Kernel::of_pages(0x1000)
        };
        let limits = |kernel| question(kernel).limits(Size::of_mib(524_288));
        assert_eq!(limits(both).collides_from, None);
        assert_eq!(limits(Kernel { list_at: None, ..both }).p2m_from, Some(Size(0)));
        let mapped = limits(Kernel { ramdisk: RamdiskPlace::Mapped, ..both });
        assert!(mapped.collides_from.is_some() && mapped.p2m_from.is_none());
    }

    /// The list and its page tables take all of the 2 GiB that the high mapping has addresses for.
    #[test]
    fn without_its_note_the_p2m_ends_a_domain_below_1_tib_and_with_it_16_tib_are_built() {
        let plain = Kernel::of_pages(0xe43);
        let noted = Kernel { list_at: Some(0x80_0000_0000), ..plain };
        for builder in Builder::ALL {
            let question = |kernel| Question { builder, ..question(kernel) };
            let largest = question(plain).largest().unwrap();
            assert!(largest > Size::of_mib(1000 << 10) && largest < Size::of_mib(1 << 20), "{largest}");
            let next = Size(largest.0 + (1 << 30));
            assert_ne!(question(plain).fate(largest, Size(0)), Fate::Refused);
            assert_eq!(question(plain).fate(next, Size(0)), Fate::Refused);
            assert_eq!(question(noted).largest(), None);
            assert_eq!(question(noted).fate(Size::of_mib(16 << 20), Size(0)), Fate::Fits);
        }
    }

    #[test]
    fn a_guest_without_room_for_the_ramdisk_is_refused_before_it_collides() {
        let limits = question(Kernel::of_pages(100)).limits(Size::of_mib(64));
        assert_eq!((limits.collides_from, limits.p2m_from), (None, None));
        assert!(limits.refused_from.unwrap() < Size::of_mib(64));
    }
}
