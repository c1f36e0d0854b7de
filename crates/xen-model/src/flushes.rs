//! Stale translations: what a processor may still remember of entries that have changed.
//!
//! Xen flushes more than it promises: after changes of level 2 and above since XSA-286's fixes (4.8, 4.9 and early
//! 4.10 to 4.14 do not), and when a frame changes type. A guest that relies on it breaks on the next Xen. So a model
//! is strict unless a test asks for something else: it forgets only when asked, remembers whatever a processor may (a
//! translation needs no use to be remembered), and panics when the guest goes on while it could use a stale one.
//!
//! `translate` looks addresses up, `update` reports changes.

use alloc::vec::Vec;
use core::fmt;
use std::collections::HashMap;

use crate::entry;
use crate::ledger::{Flushes, Ledger};
use crate::mapping::Mapping;
use crate::state::Xen;
use crate::tlb::Slot;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, VirtAddr};
use xen::pte::Level;

/// A translation that the tables do not have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The address.
    pub at: VirtAddr,
    /// What the processor may remember.
    pub remembered: Mapping,
    /// What the tables say.
    pub now: Option<Mapping>,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, remembered, now } = self;
        write!(f, "stale translation: {at:#x} may still lead to {remembered}; the tables say ")?;
        match now {
            Some(now) => now.fmt(f),
            None => f.write_str("nothing is there"),
        }
    }
}

impl Xen {
    /// Chooses when translations are forgotten.
    pub fn forget_when(&mut self, mode: Flushes) {
        self.flushes.get_mut().mode = mode;
    }

    /// Returns the number of whole flushes that the guest has asked for.
    #[must_use]
    pub fn flushes_asked(&self) -> u64 {
        self.flushes.borrow().asked
    }

    /// Plans that a flush does nothing and says that it did: 0 is the first that the guest asks for from its entry on.
    pub fn leave_out_flush(&mut self, number: u64) {
        self.flushes.get_mut().left_out = Some(number);
    }

    /// The guest asks to forget everything.
    pub(crate) fn flush(&mut self) {
        let ledger = self.flushes.get_mut();
        let number = ledger.asked;
        ledger.asked += 1;
        if ledger.left_out != Some(number) {
            self.forget_all();
        }
    }

    /// Xen forgets by itself what it does not promise to.
    pub(crate) fn flush_unasked(&self, forget: impl FnOnce(&Self)) {
        let mode = self.flushes.borrow().mode;
        if mode == Flushes::AlsoImplied {
            forget(self);
        }
    }

    /// A batch begins.
    pub(crate) fn note_batch(&mut self, elements: usize) {
        self.flushes.get_mut().elements = elements;
    }

    /// Nothing is remembered any more.
    pub(crate) fn note_forgotten(&self) {
        self.flushes.borrow_mut().changed = false;
    }

    /// An entry is about to change: translations through it may be remembered from before.
    pub(crate) fn remember(&mut self, table: Mfn, index: usize, level: Level) {
        if self.flushes.get_mut().mode == Flushes::AlsoImplied {
            return;
        }
        if entry::is_present(self.memory.word(table, index)) {
            for base in self.places(table, level) {
                self.remember_below(base + index as u64 * level.span(), level);
            }
            self.flushes.get_mut().changed = true;
        }
        if level > Level::L1 {
            self.flushes.get_mut().places = None;
        }
    }

    fn remember_below(&self, base: u64, level: Level) {
        let Some(below) = level.below() else {
            let at = VirtAddr::new_truncate(base);
            if let Some(mapping) = self.mapping(at) {
                self.tlb.borrow_mut().keep(at.as_u64() / PAGE_SIZE, mapping, &self.memory);
            }
            return;
        };
        let Some(table) = self.table_at(VirtAddr::new_truncate(base), below) else {
            return self.remember_large(base, level);
        };
        if below == Level::L1
            && let Some(slot) = self.slot(base)
        {
            return self.tlb.borrow_mut().keep_slot(base / PAGE_SIZE, slot, &self.memory);
        }
        for (index, word) in (0..ENTRIES).zip(self.memory.words(table).iter()) {
            if entry::is_present(*word) {
                self.remember_below(base + index * below.span(), below);
            }
        }
    }

    /// Xen makes large pages for the list alone.
    fn remember_large(&self, base: u64, level: Level) {
        for base in (base..base + level.span()).step_by(Level::L2.span() as usize) {
            if let Some(slot) = self.slot(base) {
                self.tlb.borrow_mut().keep_slot(base / PAGE_SIZE, slot, &self.memory);
            }
        }
    }

    /// Returns what the 2 MiB from `base` on show, if that is a group of the list's pages: in an L1 table as the builder
    /// made it, or in a large page.
    fn slot(&self, base: u64) -> Option<Slot> {
        let at = VirtAddr::new_truncate(base);
        let Mapping { mfn, writable, executable } = self.mapping(at)?;
        let group = match self.table_at(at, Level::L1) {
            Some(table) => self.memory.list_table(table)?.group,
            None => self.group_at(&(mfn.raw()..mfn.raw() + ENTRIES))?,
        };
        Some(Slot { group, writable, executable })
    }

    /// Returns the addresses that a table covers from, wherever it is hooked.
    fn places(&mut self, table: Mfn, level: Level) -> Vec<u64> {
        if level > Level::L1 {
            let mut all = HashMap::new();
            self.collect(self.root, Level::L4, 0, level, &mut all);
            return all.remove(&table).unwrap_or_default();
        }
        if self.flushes.get_mut().places.is_none() {
            let mut all = HashMap::new();
            self.collect(self.root, Level::L4, 0, Level::L1, &mut all);
            self.flushes.get_mut().places = Some(all);
        }
        let places = self.flushes.get_mut().places.as_ref();
        places.and_then(|places| places.get(&table)).cloned().unwrap_or_default()
    }

    fn collect(&self, table: Mfn, at: Level, base: u64, wanted: Level, all: &mut HashMap<Mfn, Vec<u64>>) {
        if at == wanted {
            all.entry(table).or_default().push(base);
            return;
        }
        let Some(below) = at.below() else { return };
        for (index, word) in (0..ENTRIES).zip(self.memory.words(table).iter()) {
            let is_xens = at == Level::L4 && entry::XEN_SLOTS.contains(&(index as usize));
            if entry::is_present(*word) && !is_xens && !entry::is_large(*word, at) {
                self.collect(entry::frame(*word), below, base + index * at.span(), wanted, all);
            }
        }
    }

    /// Finds a translation that may be remembered and is not in the tables; a strict model finds all that there are.
    #[must_use]
    pub fn stale(&self) -> Option<Stale> {
        if !self.flushes.borrow().changed {
            return None;
        }
        let tlb = self.tlb.borrow();
        let changed = tlb.slots().filter(|(page, slot)| self.slot(page * PAGE_SIZE) != Some(*slot));
        let in_slots = changed.flat_map(|(page, _)| tlb.of_slot(page, &self.memory));
        let mut stale = tlb.pages().chain(in_slots).filter_map(|(page, remembered)| {
            let at = VirtAddr::new_truncate(page * PAGE_SIZE);
            let now = self.mapping(at);
            (now != Some(remembered)).then_some(Stale { at, remembered, now })
        });
        let found = stale.next();
        // The lowest, so that a test's message is the same each time.
        stale.fold(found, |lowest, next| lowest.filter(|lowest| lowest.at < next.at).or(Some(next)))
    }

    /// The guest goes on: nothing stale may be left that it could use.
    ///
    /// # Panics
    /// If something is, and nothing but the guest flushes.
    pub(crate) fn check_stale(&self) {
        if !self.flushes.borrow().changed || self.flushes.borrow().mode == Flushes::AlsoImplied {
            return;
        }
        let Some(stale) = self.stale() else {
            self.flushes.borrow_mut().changed = false;
            return;
        };
        let Ledger { asked, left_out, elements, .. } = &*self.flushes.borrow();
        let after = format_args!("after a batch of {elements} elements");
        match left_out.filter(|number| number < asked) {
            Some(number) => panic!("{stale}; flush {number}, {after}, was left out"),
            None => panic!("{stale}; no flush was asked for {after}"),
        }
    }
}
