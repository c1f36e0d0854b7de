//! Stage 7 of 9: clears the high mapping of everything but the kernel image, and proves the module area empty.
//!
//! The builder's mapping continues without a gap after the image: ramdisk, P2M, start_info, rings, page tables,
//! stack. Whatever lies at 0xffffffffa0000000 keeps modules out. Instead of clearing one entry after the other, the L2
//! table over the image is replaced by one that leads to the image alone, and so is the L1 table in which the image
//! shares 2 MiB with something else: Xen checks a table of 512 entries in the time of a few dozen changes, so the number
//! of changes does not depend on the domain. (The L1 tables stay hooked under the direct map.) A list with a mapping of
//! its own (`INIT_P2M`) is unmapped by clearing the L4 entries that lead to it, last and in a batch of its own: such a
//! mapping may have large pages, which only a builder can hook, so this cannot be undone. Its page tables are ordinary
//! pages after that. Cleared means zero: a non-present entry that keeps an address is a way to read other domains' memory
//! on processors with the L1TF flaw, and Xen crashes the domain for it.
//!
//! Takes [`Retired`] from `p2m::revector`, gives [`ModuleSpace`] to `vmalloc`; the controls, which must fail, take it
//! without proof. Lineage: Linux `cleanup_highmap`, `xen_cleanhighmap`.

use alloc::vec::Vec;

use crate::builder_list::OwnMapping;
use crate::commit::Batch;
use crate::error::MmError;
use crate::frames::{Frames, give_back};
use crate::growth::Growth;
use crate::image;
use crate::memory::Memory;
use crate::p2m::Retired;
use crate::tables::{Table, by_table, l4_slots, pages_of};
use xen::addr::{L1_SPAN, L2_SPAN, PAGE_SIZE, PfnRange, VirtAddr, VirtRange};
use xen::area;
use xen::pte::{Level, Pte, Reach};
use xen::{Hypervisor, Words};

/// The module area, known to be empty.
#[derive(Debug)]
pub struct ModuleSpace {
    range: VirtRange,
}

impl ModuleSpace {
    /// Takes the module area without having cleaned it: the controls `p2m=keep` and `cleanup=off`, in which
    /// loading a module must fail where something is in the way.
    #[must_use]
    pub const fn unproved() -> Self {
        Self { range: area::MODULES }
    }

    /// Returns the addresses.
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        self.range
    }
}

/// What cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// L2 entries gone, 2 MiB each.
    pub slots: u64,
    /// L1 entries gone, in slots shared with the image.
    pub pages: u64,
    /// Pages of the old list given back to the allocator.
    pub freed: u64,
    /// Tables of the high mapping that were replaced or dropped, and given back.
    pub replaced: u64,
    /// Pages given back that were tables of the list's own mapping.
    pub tables: u64,
}

impl Retired {
    /// Clears the high mapping in one hypercall, checks the module area, and gives the old list's pages back.
    ///
    /// # Errors
    /// [`MmError`] if Xen refuses an entry, or if something is left in the module area.
    pub fn clean<X: Hypervisor>(
        self,
        image: VirtRange,
        memory: &mut Memory<'_>,
        xen: &mut X,
    ) -> Result<(ModuleSpace, Cleaned), MmError> {
        let Memory { tables, frames, .. } = &mut *memory;
        let mut cleaned = Cleaned::default();
        let mut alone = Alone { image, cleaned: &mut cleaned, replaced: Vec::new() };
        let mut growth = Growth::new(tables);
        let filled = alone.in_high_mapping(&mut growth, frames, xen);
        growth.commit(filled, frames, xen)?;
        let replaced = alone.replaced;
        cleaned.replaced = replaced.len() as u64;
        for table in replaced {
            let page = match tables.disown(table) {
                Some(own) => own,
                None => frames.adopt(PfnRange::new(table.pfn, 1))?,
            };
            frames.give_back(page)?;
        }
        if let Some((at, level, entry)) = tables.first_entry(xen, area::MODULES)? {
            return Err(MmError::Leftover { at, level, entry: entry.word() });
        }
        if let Some(own_mapping) = self.own_mapping {
            cleaned.tables = drop_mapping(&own_mapping, memory, xen)?;
        }
        cleaned.freed = self.pages.iter().map(|run| run.pages().pages()).sum();
        give_back(self.pages, memory.frames)?;
        Ok((ModuleSpace { range: area::MODULES }, cleaned))
    }
}

/// Clears the L4 entries of a list's own mapping, and gives its tables back; returns how many pages they were.
fn drop_mapping<X: Hypervisor>(
    own_mapping: &OwnMapping,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<u64, MmError> {
    let Memory { tables, frames, .. } = memory;
    let root = tables.root();
    let mut batch = Batch::new();
    for at in l4_slots(own_mapping.addresses) {
        batch.change(root.slot(at), tables.entry(xen, root, at), Pte::ABSENT);
    }
    batch.commit(xen)?;
    let mut batch = Batch::new();
    for pfn in own_mapping.tables.iter().flat_map(|range| range.iter()) {
        tables.release_alias(xen, &mut batch, pfn)?;
        batch.commit_if_full(xen)?;
    }
    batch.commit(xen)?;
    let mut freed = 0;
    for pages in &own_mapping.tables {
        tables.unseal(*pages);
        freed += pages.pages();
        frames.give_back(frames.adopt(*pages)?)?;
    }
    Ok(freed)
}

/// The addresses of the high mapping's two L2 tables, but for the last page: a range cannot end at 2^64.
const HIGH: VirtRange = VirtRange::new(area::HIGH, 2 * L2_SPAN - PAGE_SIZE);

/// An image in the high mapping, and what it is to be left alone with.
struct Alone<'c> {
    image: VirtRange,
    cleaned: &'c mut Cleaned,
    /// Tables that nothing leads to afterwards.
    replaced: Vec<Table>,
}

impl Alone<'_> {
    /// Replaces the L2 table over the image by one that leads to nothing else, and drops the other.
    fn in_high_mapping<X: Hypervisor>(
        &mut self,
        growth: &mut Growth<'_>,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<(), MmError> {
        for part in by_table(HIGH, Level::L2) {
            let Some(l3) = growth.tables().find(xen, part.start, Level::L3)? else { continue };
            let Some(l2) = growth.tables().find(xen, part.start, Level::L2)? else { continue };
            let before = growth.tables().entry(xen, l3, part.start);
            let kept = self.l2_entries(part.start, l2, growth, frames, xen)?;
            let after = if kept.iter().all(|word| *word == 0) {
                Pte::ABSENT
            } else {
                let own = growth.make(xen, frames, part.start, Level::L2)?;
                growth.store_all(xen, own, &kept)?;
                Pte::table(own.mfn, Reach::Inherit)
            };
            growth.batch.change(l3.slot(part.start), before, after);
            self.replaced.push(l2);
        }
        self.replaced.iter().try_for_each(|old| growth.retire(xen, *old))
    }

    /// The entries of an L2 table that lead to the image, and to nothing else any more.
    fn l2_entries<X: Hypervisor>(
        &mut self,
        start: VirtAddr,
        l2: Table,
        growth: &mut Growth<'_>,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Words, MmError> {
        let mut words = growth.tables().window().page(xen, l2.pfn);
        for (slot, word) in (0..).zip(&mut words).filter(|(_, word)| **word != 0) {
            let at = start + slot * L1_SPAN;
            if !image::slots(self.image).any(|slot| slot == at) {
                self.cleaned.slots += 1;
                *word = 0;
            } else if let Some(own) = self.own_l1(at, growth, frames, xen)? {
                *word = Pte::table(own.mfn, Reach::Inherit).word();
            }
        }
        Ok(words)
    }

    /// Makes an L1 table that maps the image alone, if the present one maps something else as well.
    fn own_l1<X: Hypervisor>(
        &mut self,
        at: VirtAddr,
        growth: &mut Growth<'_>,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Option<Table>, MmError> {
        let old = growth.tables().find(xen, at, Level::L1)?.ok_or(MmError::NotMapped { at })?;
        let mut words = growth.tables().window().page(xen, old.pfn);
        let mut others = 0;
        for (word, page) in words.iter_mut().zip(pages_of(VirtRange::new(at, L1_SPAN))) {
            if *word != 0 && !self.image.contains(page) {
                (*word, others) = (0, others + 1);
            }
        }
        if others == 0 {
            return Ok(None);
        }
        self.cleaned.pages += others;
        self.replaced.push(old);
        let own = growth.make(xen, frames, at, Level::L1)?;
        growth.store_all(xen, own, &words)?;
        Ok(Some(own))
    }
}
