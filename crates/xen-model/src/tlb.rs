//! What the modelled processor remembers: translations of pages, and of 512 pages of the list at once where an L1
//! table as the builder made it was the last that showed them.
//!
//! Neighbours: `translate` looks up, `flushes` adds and compares.

use alloc::vec::Vec;

use crate::mapping::Mapping;
use crate::memory::{FrameMap, Memory};
use xen::addr::{ENTRIES, Mfn};

/// 2 MiB of addresses that show a group of the list's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) group: u64,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
}

impl Slot {
    /// Returns the translation of a page of address space, one of the slot's 512.
    fn mapping(self, page: u64, memory: &Memory) -> Option<Mapping> {
        let mfn = memory.list_frame(self.group * ENTRIES + page % ENTRIES)?;
        Some(Mapping { mfn, writable: self.writable, executable: self.executable })
    }
}

/// Translations by page of address space; a page's own comes before its slot's.
#[derive(Debug, Default)]
pub(crate) struct Tlb {
    pages: FrameMap<Mapping>,
    slots: FrameMap<Slot>,
}

impl Tlb {
    pub(crate) fn get(&self, page: u64, memory: &Memory) -> Option<Mapping> {
        let by_slot = || self.slots.get(&(page / ENTRIES)).and_then(|slot| slot.mapping(page, memory));
        self.pages.get(&page).copied().or_else(by_slot)
    }

    /// Adds a translation that was used.
    pub(crate) fn insert(&mut self, page: u64, mapping: Mapping) {
        self.pages.insert(page, mapping);
    }

    /// Adds a translation unless an older one is remembered.
    pub(crate) fn keep(&mut self, page: u64, mapping: Mapping, memory: &Memory) {
        if self.get(page, memory).is_none() {
            self.pages.insert(page, mapping);
        }
    }

    /// Adds those of a slot, unless older ones are remembered.
    pub(crate) fn keep_slot(&mut self, first_page: u64, slot: Slot, memory: &Memory) {
        let place = first_page / ENTRIES;
        if self.slots.get(&place).is_some_and(|older| *older != slot) {
            self.split(place, memory);
        }
        self.slots.insert(place, slot);
    }

    pub(crate) fn forget(&mut self, page: u64, memory: &Memory) {
        self.split(page / ENTRIES, memory);
        self.pages.remove(&page);
    }

    pub(crate) fn forget_frame(&mut self, mfn: Mfn, memory: &Memory) {
        if let Some(group) = memory.list_number(mfn).map(|number| number / ENTRIES) {
            let showing = self.slots.iter().filter(|(_, slot)| slot.group == group).map(|(place, _)| *place);
            showing.collect::<Vec<_>>().into_iter().for_each(|place| self.split(place, memory));
        }
        self.pages.retain(|_, mapping| mapping.mfn != mfn);
    }

    pub(crate) fn clear(&mut self) {
        self.pages.clear();
        self.slots.clear();
    }

    /// Returns the slots: first page and content.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u64, Slot)> {
        self.slots.iter().map(|(place, slot)| (place * ENTRIES, *slot))
    }

    /// Returns the translations of a slot's pages.
    pub(crate) fn of_slot(&self, first_page: u64, memory: &Memory) -> impl Iterator<Item = (u64, Mapping)> {
        let pages = first_page..first_page + ENTRIES;
        pages.filter_map(move |page| Some((page, self.get(page, memory)?)))
    }

    /// Returns the translations of pages alone.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (u64, Mapping)> {
        self.pages.iter().map(|(page, mapping)| (*page, *mapping))
    }

    /// Makes pages of a slot.
    fn split(&mut self, place: u64, memory: &Memory) {
        let Some(slot) = self.slots.remove(&place) else { return };
        for page in place * ENTRIES..(place + 1) * ENTRIES {
            if let Some(mapping) = slot.mapping(page, memory) {
                self.pages.entry(page).or_insert(mapping);
            }
        }
    }
}
