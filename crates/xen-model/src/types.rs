//! Types of frames, with counts: the rule that keeps a PV guest from writing its own page tables.
//!
//! Mirrors `_get_page_type`, `_put_page_type`, `alloc_l1_table` to `alloc_l4_table`, `free_l1_table` to
//! `free_l4_table` and `get_page_from_l1e` to `get_page_from_l4e` in xen/arch/x86/mm.c.

use core::ops::Range;

use crate::builder::Builder;
use crate::contents::ListTable;
use crate::entry::{self, XEN_SLOTS};
use crate::kind::{Kind, Pin, Typed};
use crate::state::Xen;
use xen::Errno;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, VirtAddr};
use xen::pte::Level;

/// The frames that an entry of this level maps, by 512 at most.
fn parts(word: u64, level: Level) -> impl Iterator<Item = Range<u64>> {
    let first = entry::frame(word).raw();
    let end = first + level.span() / PAGE_SIZE;
    (first..end).step_by(ENTRIES as usize).map(move |part| part..end.min(part + ENTRIES))
}

impl Xen {
    /// Returns what a frame is used as, and how often.
    #[must_use]
    pub fn kind(&self, mfn: Mfn) -> Option<(Kind, u64)> {
        let typed = self.uses.get(mfn, || self.memory.list_number(mfn));
        typed.filter(|typed| typed.count > 0).map(|typed| (typed.kind, typed.count))
    }

    /// Returns a frame's type and count for a change of them; `kind` is its type if it never had one.
    pub(crate) fn typed(&mut self, mfn: Mfn, kind: Kind) -> &mut Typed {
        let memory = &self.memory;
        self.uses.entry(mfn, || memory.list_number(mfn), kind)
    }

    /// Mirrors `_get_page_type`: one more use of the frame as `kind`, validating it if it is the first.
    ///
    /// A frame that changes type loses its stale translations: Xen flushes then, though it promises nothing.
    pub(crate) fn get_type(&mut self, mfn: Mfn, kind: Kind) -> Result<(), Errno> {
        let typed = self.typed(mfn, kind);
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
            self.typed(mfn, kind).count = 0;
        })
    }

    /// Mirrors `_put_page_type`: one use less; the last one of a table lets go of everything below.
    pub(crate) fn put_type(&mut self, mfn: Mfn) {
        let typed = self.typed(mfn, Kind::Writable);
        typed.count = typed.count.checked_sub(1).unwrap_or_else(|| panic!("the model lost count of {mfn}"));
        if let (0, Kind::Table(level)) = (typed.count, typed.kind) {
            self.release(mfn, level, 512);
        }
    }

    /// Mirrors `alloc_l1_table` to `alloc_l4_table`: takes each entry, or none.
    fn validate(&mut self, mfn: Mfn, level: Level) -> Result<(), Errno> {
        if level == Level::L1 && self.validate_list_table(mfn).is_some() {
            return Ok(());
        }
        let mut words = self.memory.words(mfn).into_owned();
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

    /// As `validate`, for a table that shows 512 pages of the list by the rule; none of them is anything but writable, or
    /// they would not be counted together.
    fn validate_list_table(&mut self, mfn: Mfn) -> Option<()> {
        let table = self.memory.list_table(mfn)?;
        let is_plain = table.bits & entry::WRITABLE != 0
            && !entry::has_disallowed_bits(table.bits, Level::L1, self.hardware);
        if !is_plain {
            return None;
        }
        self.uses.take_group(table.group).ok()?;
        let bits = entry::adjusted(table.bits, Level::L1);
        self.memory.show_list(mfn, ListTable { bits, ..table });
        Some(())
    }

    /// As `release` of a whole L1 table, for such a one.
    fn release_list_table(&mut self, mfn: Mfn) -> Option<()> {
        let table = self.memory.list_table(mfn).filter(|table| table.bits & entry::WRITABLE != 0)?;
        self.uses.put_group(table.group).ok()
    }

    /// Mirrors `init_xen_l4_slots`: what a guest reads in Xen's slots leads to frames that M2P does not know.
    const fn xen_slot(&self, index: usize) -> u64 {
        (self.memory.machine.limit().raw() + 16 + index as u64) << 12 | entry::PRESENT | entry::WRITABLE
    }

    /// Lets go of the first `entries` entries of a table.
    fn release(&mut self, mfn: Mfn, level: Level, entries: usize) {
        if level == Level::L1 && entries == 512 && self.release_list_table(mfn).is_some() {
            return;
        }
        let words = self.memory.words(mfn).into_owned();
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
            self.put_pages(word, level);
        }
    }

    /// Takes back one use as writable of each page that an entry maps; I/O memory, which the initial domain may map,
    /// has no types.
    fn put_pages(&mut self, word: u64, level: Level) {
        for part in parts(word, level) {
            if level > Level::L1
                && self.group_at(&part).is_some_and(|group| self.uses.put_group(group).is_ok())
            {
                continue;
            }
            for mfn in part {
                let mfn = Mfn::new(mfn);
                if self.owns(mfn) {
                    self.put_type(mfn);
                }
            }
        }
    }

    /// Returns which 512 pages of the list frames back, which are a part of a large page.
    pub(crate) fn group_at(&self, frames: &Range<u64>) -> Option<u64> {
        let number = |mfn| self.memory.list_number(Mfn::new(mfn));
        let (first, last) = (number(frames.start)?, number(frames.end - 1)?);
        (first.is_multiple_of(ENTRIES) && last == first + ENTRIES - 1).then_some(first / ENTRIES)
    }

    /// Mirrors how `dom0_construct` and `setup_pv_physmap` give types to the initial domain's list: by hand, past the
    /// validation that would refuse a large page. Hooks the L3 table of `word` into the L4 table in use.
    pub(crate) fn hook_unchecked(&mut self, at: VirtAddr, word: u64) {
        self.memory.words_mut(self.root)[Level::L4.index(at)] = word;
        self.take_unchecked(word, Level::L4);
    }

    /// Gives frames of an entry their type.
    fn take_part(&mut self, part: Range<u64>, level: Level) {
        if level > Level::L1 && self.group_at(&part).is_some_and(|group| self.uses.take_group(group).is_ok())
        {
            return;
        }
        for mfn in part {
            self.get_type(Mfn::new(mfn), Kind::Writable).expect("a page of the list is nothing else");
        }
    }

    fn take_unchecked(&mut self, word: u64, level: Level) {
        match level.below() {
            Some(below) if !entry::is_large(word, level) => {
                let mfn = entry::frame(word);
                *self.typed(mfn, Kind::Table(below)) =
                    Typed { kind: Kind::Table(below), count: 1, pin: Pin::Loose };
                let table = self.memory.list_table(mfn);
                if table.is_some_and(|table| self.uses.take_group(table.group).is_ok()) {
                    return;
                }
                for word in self.memory.words(mfn).into_owned() {
                    if entry::is_present(word) {
                        self.take_unchecked(word, below);
                    }
                }
            }
            _ => {
                for part in parts(word, level) {
                    self.take_part(part, level);
                }
            }
        }
    }
}
