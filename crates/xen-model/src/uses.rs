//! What each frame is used as, and how often: an entry a frame, but one for 512 pages of a list with a mapping of its
//! own, for as long as nobody does with one of them what is not done with all.
//!
//! Neighbours: `types` has the rules, `list_pages` the groups of 512.

use alloc::vec;
use alloc::vec::Vec;

use crate::kind::{Kind, Pin, Typed};
use crate::memory::FrameMap;
use xen::addr::{ENTRIES, Mfn};

/// 512 pages of the list.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    /// How often each page without an entry of its own is used as writable; `None` if it never was.
    together: Option<u64>,
    /// Some of the pages have entries of their own.
    is_split: bool,
}

impl Group {
    fn typed(self) -> Option<Typed> {
        self.together.map(|count| Typed { kind: Kind::Writable, count, pin: Pin::Loose })
    }
}

/// Types and counts of all frames.
#[derive(Debug)]
pub(crate) struct Uses {
    single: FrameMap<Typed>,
    groups: Vec<Group>,
}

impl Uses {
    pub(crate) fn new(groups: u64) -> Self {
        Self { single: FrameMap::default(), groups: vec![Group::default(); groups as usize] }
    }

    /// Returns a frame's own entry.
    pub(crate) fn own(&mut self, mfn: Mfn) -> Option<&mut Typed> {
        self.single.get_mut(&mfn.raw())
    }

    /// Returns what a frame is used as, if it ever was; `number` finds which page of the list it is.
    pub(crate) fn get(&self, mfn: Mfn, number: impl FnOnce() -> Option<u64>) -> Option<Typed> {
        let together = || self.groups.get((number()? / ENTRIES) as usize)?.typed();
        self.single.get(&mfn.raw()).copied().or_else(together)
    }

    /// Returns a frame's entry for a change, one of its own from now on; `kind` is its type if it never had one.
    pub(crate) fn entry(&mut self, mfn: Mfn, number: impl FnOnce() -> Option<u64>, kind: Kind) -> &mut Typed {
        self.single.entry(mfn.raw()).or_insert_with(|| {
            let group = number().and_then(|number| self.groups.get_mut((number / ENTRIES) as usize));
            let before = group.and_then(|group| {
                group.is_split = true;
                group.typed()
            });
            before.unwrap_or(Typed { kind, count: 0, pin: Pin::Loose })
        })
    }

    /// One more use as writable of each page of a group, if they can be counted together.
    pub(crate) fn take_group(&mut self, group: u64) -> Result<(), Split> {
        let group = self.whole(group)?;
        group.together = Some(group.together.unwrap_or(0) + 1);
        Ok(())
    }

    /// One use less of each page of a group, if they are counted together.
    pub(crate) fn put_group(&mut self, group: u64) -> Result<(), Split> {
        let group = self.whole(group)?;
        group.together = Some(group.together.and_then(|count| count.checked_sub(1)).ok_or(Split)?);
        Ok(())
    }

    fn whole(&mut self, group: u64) -> Result<&mut Group, Split> {
        self.groups.get_mut(group as usize).filter(|group| !group.is_split).ok_or(Split)
    }
}

/// The pages of a group have to be counted one by one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split;
