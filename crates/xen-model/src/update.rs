//! Hypercalls that change page tables.
//!
//! Mirrors `do_mmu_update`, `mod_l1_entry` to `mod_l4_entry`, `do_update_va_mapping`, and of `do_mmuext_op` pinning
//! and unpinning.

use crate::entry::{self, XEN_SLOTS};
use crate::kind::{Kind, Pin};
use crate::state::Xen;
use xen::abi::MmuUpdate;
use xen::addr::{Mfn, PAGE_SIZE, VirtAddr};
use xen::pte::Level;
use xen::{Errno, Stopped};

/// Commands in the low bits of an element's address.
const NORMAL: u64 = 0;
const MACHPHYS: u64 = 1;
const PRESERVE_AD: u64 = 2;
/// `MMU_PT_UPDATE_NO_TRANSLATE`: frames are machine frames, as they always are here.
const NO_TRANSLATE: u64 = 3;

impl Xen {
    /// Mirrors `do_mmu_update`: in order, up to the first that is refused; an unasked flush at the end for levels
    /// 2 to 4, as since XSA-286.
    ///
    /// # Errors
    /// The number of elements done, and the error of the next.
    ///
    /// # Panics
    /// If the running kernel loses its own code or data, or if Xen would crash the domain.
    pub fn update(&mut self, batch: &[MmuUpdate]) -> Result<(), Stopped> {
        let refusal = self.script.next().map(|refusal| (refusal.element.min(batch.len() - 1), refusal.errno));
        let mut outcome = Ok(());
        let mut above_l1 = 0;
        self.note_batch(batch.len());
        for (done, element) in batch.iter().enumerate() {
            let planned = refusal.filter(|(element, _)| *element == done).map(|(_, errno)| errno);
            match planned.map_or_else(|| self.element(*element), Err) {
                Ok(level) => above_l1 += u64::from(level > Some(Level::L1)),
                Err(errno) => {
                    outcome = Err(Stopped { done, errno });
                    break;
                }
            }
            self.work.entries += 1;
        }
        if above_l1 > 0 {
            self.flush_unasked(Self::forget_all);
        }
        self.check_kernel();
        outcome
    }

    /// One element; returns the level of the table, `None` for a plain store.
    fn element(&mut self, element: MmuUpdate) -> Result<Option<Level>, Errno> {
        let table = Mfn::new(element.ptr / PAGE_SIZE);
        let index = (element.ptr % PAGE_SIZE / 8) as usize;
        match element.ptr & 7 {
            // Changing M2P is not modelled: nothing in this boot does.
            MACHPHYS => return Err(Errno::ENOSYS),
            NORMAL | PRESERVE_AD | NO_TRANSLATE => {}
            _ => return Err(Errno::ENOSYS),
        }
        if !self.owns(table) {
            return Err(Errno::EINVAL);
        }
        match self.kind(table) {
            Some((Kind::Table(level), _)) => {
                let keep = if element.ptr & 7 == PRESERVE_AD { entry::ACCESSED | entry::DIRTY } else { 0 };
                let old = self.memory.word(table, index);
                self.modify(table, index, level, element.val | old & keep)?;
                Ok(Some(level))
            }
            _ => {
                self.memory.words_mut(table)[index] = element.val;
                Ok(None)
            }
        }
    }

    /// Mirrors `mod_l1_entry` to `mod_l4_entry`: takes the new entry before letting go of the old one.
    fn modify(&mut self, table: Mfn, index: usize, level: Level, new: u64) -> Result<(), Errno> {
        if level == Level::L4 && XEN_SLOTS.contains(&index) {
            return Err(Errno::EINVAL);
        }
        let old = self.memory.word(table, index);
        if entry::is_present(new) && entry::is_present(old) && entry::differs_in_harmless_bits(old, new) {
            if entry::has_disallowed_bits(new, level, self.hardware) {
                return Err(Errno::EINVAL);
            }
            self.remember(table, index, level);
            self.memory.words_mut(table)[index] = entry::adjusted(new, level);
            return Ok(());
        }
        self.remember(table, index, level);
        let word = self.get_entry(new, level)?;
        self.memory.words_mut(table)[index] = word;
        self.put_entry(old, level);
        Ok(())
    }

    /// Mirrors `do_update_va_mapping` with `UVMF_INVLPG`: needs an L1 table, and flushes one translation.
    ///
    /// # Errors
    /// `EINVAL` without an L1 table; as for an element of `mmu_update` otherwise.
    pub fn update_va_mapping(&mut self, at: VirtAddr, word: u64) -> Result<(), Errno> {
        let table = self.table_at(at, Level::L1).ok_or(Errno::EINVAL)?;
        self.modify(table, Level::L1.index(at), Level::L1, word)?;
        self.forget(at);
        Ok(())
    }

    /// Mirrors `MMUEXT_PIN_L1_TABLE` to `MMUEXT_PIN_L4_TABLE`: pinning is a flag, not a count.
    ///
    /// # Errors
    /// `EINVAL` if the frame is not ours, has another type, or is pinned; the error of a bad entry otherwise.
    pub fn pin(&mut self, mfn: Mfn, level: Level) -> Result<(), Errno> {
        if !self.owns(mfn) {
            return Err(Errno::EINVAL);
        }
        self.get_type(mfn, Kind::Table(level))?;
        let typed = self.typed(mfn, Kind::Table(level));
        if typed.pin == Pin::Loose {
            typed.pin = Pin::Pinned;
            return Ok(());
        }
        self.put_type(mfn);
        Err(Errno::EINVAL)
    }

    /// Mirrors `MMUEXT_UNPIN_TABLE`.
    ///
    /// # Errors
    /// `EINVAL` if the frame is not pinned.
    pub fn unpin(&mut self, mfn: Mfn) -> Result<(), Errno> {
        match self.uses.own(mfn) {
            Some(typed) if typed.pin == Pin::Pinned => {
                typed.pin = Pin::Loose;
                self.put_type(mfn);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// Mirrors `new_guest_cr3`: the root in use counts as one use of its frame.
    pub(crate) fn load(&mut self, mfn: Mfn) -> Result<(), Errno> {
        self.get_type(mfn, Kind::Table(Level::L4))?;
        self.root = mfn;
        self.forget_all();
        Ok(())
    }
}
