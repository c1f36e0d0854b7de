//! Types of frames, with counts: the rule that keeps a PV guest from writing its own page tables.
//!
//! Mirrors `_get_page_type`, `_put_page_type`, `alloc_l1_table` to `alloc_l4_table`, `free_l1_table` to
//! `free_l4_table` and `get_page_from_l1e` to `get_page_from_l4e` in xen/arch/x86/mm.c.

use crate::builder::Builder;
use crate::entry::{self, XEN_SLOTS};
use crate::kind::{Kind, Pin, Typed};
use crate::state::Xen;
use xen::Errno;
use xen::addr::{Mfn, PAGE_SIZE, VirtAddr};
use xen::pte::Level;

/// The frames that an entry of this level maps.
fn frames(word: u64, level: Level) -> impl Iterator<Item = Mfn> {
    let first = entry::frame(word).raw();
    (first..first + level.span() / PAGE_SIZE).map(Mfn::new)
}

impl Xen {
    /// Returns what a frame is used as, and how often.
    #[must_use]
    pub fn kind(&self, mfn: Mfn) -> Option<(Kind, u64)> {
        self.types.get(&mfn.raw()).filter(|typed| typed.count > 0).map(|typed| (typed.kind, typed.count))
    }

    /// Mirrors `_get_page_type`: one more use of the frame as `kind`, validating it if it is the first.
    ///
    /// A frame that changes type loses its stale translations: Xen flushes then, though it promises nothing.
    pub(crate) fn get_type(&mut self, mfn: Mfn, kind: Kind) -> Result<(), Errno> {
        let typed = self.types.entry(mfn.raw()).or_insert(Typed { kind, count: 0, pin: Pin::Loose });
        if typed.count > 0 {
            if typed.kind != kind {
                // "Bad type (saw .. != exp ..)".
                return Err(Errno::EINVAL);
            }
            typed.count += 1;
            return Ok(());
        }
        let changed = core::mem::replace(&mut typed.kind, kind) != kind;
        typed.count = 1;
        if changed {
            self.flush_unasked(|xen| xen.forget_frame(mfn));
        }
        let Kind::Table(level) = kind else { return Ok(()) };
        self.validate(mfn, level).inspect_err(|_| {
            if let Some(typed) = self.types.get_mut(&mfn.raw()) {
                typed.count = 0;
            }
        })
    }

    /// Mirrors `_put_page_type`: one use less; the last one of a table lets go of everything below.
    pub(crate) fn put_type(&mut self, mfn: Mfn) {
        let Some(typed) = self.types.get_mut(&mfn.raw()).filter(|typed| typed.count > 0) else {
            panic!("the model lost count of {mfn}");
        };
        typed.count -= 1;
        if let (0, Kind::Table(level)) = (typed.count, typed.kind) {
            self.release(mfn, level, 512);
        }
    }

    /// Mirrors `alloc_l1_table` to `alloc_l4_table`: takes each entry, or none.
    fn validate(&mut self, mfn: Mfn, level: Level) -> Result<(), Errno> {
        let mut words = *self.memory.words(mfn);
        for index in 0..words.len() {
            if level == Level::L4 && XEN_SLOTS.contains(&index) {
                words[index] = self.xen_slot(index);
                continue;
            }
            match self.get_entry(words[index], level) {
                Ok(word) => words[index] = word,
                Err(errno) => {
                    *self.memory.words_mut(mfn) = words;
                    self.release(mfn, level, index);
                    return Err(errno);
                }
            }
        }
        *self.memory.words_mut(mfn) = words;
        Ok(())
    }

    /// Mirrors `init_xen_l4_slots`: what a guest reads in Xen's slots leads to frames that M2P does not know.
    const fn xen_slot(&self, index: usize) -> u64 {
        (self.memory.machine.limit().raw() + 16 + index as u64) << 12 | entry::PRESENT | entry::WRITABLE
    }

    /// Lets go of the first `entries` entries of a table.
    fn release(&mut self, mfn: Mfn, level: Level, entries: usize) {
        let words = *self.memory.words(mfn);
        for (index, word) in words.into_iter().enumerate().take(entries) {
            if level != Level::L4 || !XEN_SLOTS.contains(&index) {
                self.put_entry(word, level);
            }
        }
    }

    /// Mirrors `get_page_from_l1e` to `get_page_from_l4e`: takes what an entry refers to; returns it as Xen stores it.
    pub(crate) fn get_entry(&mut self, word: u64, level: Level) -> Result<u64, Errno> {
        if !entry::is_present(word) {
            entry::check_absent(word, level);
            return Ok(word);
        }
        if entry::has_disallowed_bits(word, level, self.hardware) {
            return Err(Errno::EINVAL);
        }
        let mfn = entry::frame(word);
        match level.below() {
            Some(below) if self.owns(mfn) => self.get_type(mfn, Kind::Table(below))?,
            Some(_) => return Err(Errno::EINVAL),
            None => self.get_page(mfn, word)?,
        }
        Ok(entry::adjusted(word, level))
    }

    /// The L1 half of the above: I/O memory is permitted to the initial domain only, others' RAM and page tables "could
    /// not be pinned".
    fn get_page(&mut self, mfn: Mfn, word: u64) -> Result<(), Errno> {
        const NO_FRAME: u64 = (1 << 40) - 1;
        /// Below 1 MiB: the machine's own.
        const FIRST_RAM: u64 = 0x100;
        if self.builder == Builder::Xen && mfn.raw() < FIRST_RAM {
            return Ok(());
        }
        if !self.owns(mfn) {
            return Err(match mfn.raw() {
                NO_FRAME => Errno::EINVAL,
                _ if self.memory.machine.is_ram(mfn) => Errno::EBUSY,
                _ => Errno::EPERM,
            });
        }
        if word & entry::WRITABLE == 0 {
            return Ok(());
        }
        self.get_type(mfn, Kind::Writable).map_err(|_| Errno::EBUSY)
    }

    /// Mirrors `put_page_from_l1e` to `put_page_from_l4e`, and `put_superpage`.
    pub(crate) fn put_entry(&mut self, word: u64, level: Level) {
        if !entry::is_present(word) {
            return;
        }
        let maps_pages = level == Level::L1 || entry::is_large(word, level);
        if !maps_pages {
            self.put_type(entry::frame(word));
        } else if word & entry::WRITABLE != 0 {
            // I/O memory, which the initial domain may map, has no types.
            for mfn in frames(word, level) {
                if self.owns(mfn) {
                    self.put_type(mfn);
                }
            }
        }
    }

    /// Mirrors how `dom0_construct` and `setup_pv_physmap` give types to the initial domain's list: by hand, past the
    /// validation that would refuse a large page. Hooks the L3 table of `word` into the L4 table in use.
    pub(crate) fn hook_unchecked(&mut self, at: VirtAddr, word: u64) {
        self.memory.words_mut(self.root)[Level::L4.index(at)] = word;
        self.take_unchecked(word, Level::L4);
    }

    fn take_unchecked(&mut self, word: u64, level: Level) {
        match level.below() {
            Some(below) if !entry::is_large(word, level) => {
                let mfn = entry::frame(word);
                self.types.insert(mfn.raw(), Typed { kind: Kind::Table(below), count: 1, pin: Pin::Loose });
                for word in *self.memory.words(mfn) {
                    if entry::is_present(word) {
                        self.take_unchecked(word, below);
                    }
                }
            }
            _ => {
                for mfn in frames(word, level) {
                    self.get_type(mfn, Kind::Writable).expect("a page of the list is nothing else");
                }
            }
        }
    }
}
