//! Stage 7 of 9: clears the high mapping of everything but the kernel image, and proves the module area empty.
//!
//! The builder's mapping continues without a gap after the image: ramdisk, P2M, start_info, rings, page tables,
//! stack. Whatever lies at 0xffffffffa0000000 keeps modules out. An L2 entry that holds no part of the image is
//! cleared as a whole (its L1 table stays hooked under the direct map); where the image shares a slot with something
//! else, its L1 table is replaced by one that maps the image alone. A list with a mapping of its own (`INIT_P2M`) is unmapped by clearing the L4
//! entries that lead to it, last and in a batch of its own: such a mapping may have large pages, which only a builder
//! can hook, so this cannot be undone. Its page tables are ordinary pages after that. Cleared means zero: a non-present
//! entry that keeps an address is a way to read other domains' memory on processors with the L1TF flaw, and Xen crashes
//! the domain for it.
//!
//! Takes [`Retired`] from `p2m::revector`, gives [`ModuleSpace`] to `vmalloc`; the controls, which must fail, take it
//! without proof. Lineage: Linux `cleanup_highmap`, `xen_cleanhighmap`.

use alloc::vec::Vec;

use crate::builder_list::OwnMapping;
use crate::commit::{Batch, Slot};
use crate::error::MmError;
use crate::frames::{Frames, give_back};
use crate::growth::Growth;
use crate::image;
use crate::memory::Memory;
use crate::p2m::Retired;
use crate::tables::{Table, Tables, by_table, l4_slots, pages_of};
use xen::Hypervisor;
use xen::addr::{ENTRIES, L1_SPAN, L2_SPAN, PAGE_SIZE, VirtAddr, VirtRange};
use xen::area;
use xen::pte::{Level, Pte, Reach};

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
    /// L2 entries cleared, 2 MiB each.
    pub slots: u64,
    /// L1 entries cleared, in slots shared with the image.
    pub pages: u64,
    /// Pages of the old list given back to the allocator.
    pub freed: u64,
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
        let mut replaced = Vec::new();
        let mut growth = Growth::new(tables);
        growth.reserve(image::slots(image).count(), most_entries(growth.tables()));
        let filled = clear_high(&mut growth, image, &mut cleaned, &mut replaced, frames, xen);
        growth.commit(filled, frames, xen)?;
        for table in replaced {
            give_back(tables.disown(table), frames)?;
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

/// An entry for each of the builder's L1 tables, and three for each of the image's.
const fn most_entries(tables: &Tables) -> usize {
    // Bounded by the 2 GiB of the high mapping: fits any usize.
    tables.l1_shared() as usize + 16
}

/// The high mapping's two L2 tables.
const HIGH: VirtRange = VirtRange::new(area::HIGH, 2 * L2_SPAN - PAGE_SIZE);

/// Clears all L2 entries but the image's; `replaced` gets the tables that the image's no longer lead to.
fn clear_high<X: Hypervisor>(
    growth: &mut Growth<'_>,
    image: VirtRange,
    cleaned: &mut Cleaned,
    replaced: &mut Vec<Table>,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    for part in by_table(HIGH, Level::L2) {
        let Some(l2) = growth.tables().find(xen, part.start, Level::L2)? else { continue };
        let words = growth.tables().window().page(xen, l2.pfn);
        for (index, entry) in
            (0..ENTRIES).zip(words.map(Pte::from_word)).filter(|(_, entry)| !entry.is_zero())
        {
            let at = part.start + index * L1_SPAN;
            if image::slots(image).any(|slot| slot == at) {
                let hook = Hook { slot: l2.slot(at), entry, at };
                replaced.extend(keep_image(growth, hook, image, cleaned, frames, xen)?);
            } else {
                cleaned.slots += 1;
                growth.batch.change(l2.slot(at), entry, Pte::ABSENT);
            }
        }
    }
    Ok(())
}

/// An L2 entry that leads to a part of the image.
struct Hook {
    slot: Slot,
    entry: Pte,
    at: VirtAddr,
}

/// Replaces an L1 table by one that maps the image alone: Xen checks a table of 512 entries in the time that it takes
/// for a few dozen changes of entries. Returns the old one, unless it maps nothing else.
fn keep_image<X: Hypervisor>(
    growth: &mut Growth<'_>,
    hook: Hook,
    image: VirtRange,
    cleaned: &mut Cleaned,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<Option<Table>, MmError> {
    let Hook { slot, entry, at } = hook;
    let old = growth.tables().find(xen, at, Level::L1)?.ok_or(MmError::NotMapped { at })?;
    let mut words = growth.tables().window().page(xen, old.pfn);
    let mut others = 0;
    for (word, page) in words.iter_mut().zip(pages_of(VirtRange::new(at, L1_SPAN))) {
        if *word != 0 && !image.contains(page) {
            (*word, others) = (0, others + 1);
        }
    }
    if others == 0 {
        return Ok(None);
    }
    cleaned.pages += others;
    let own = growth.make(xen, frames, at, Level::L1)?;
    growth.store_all(xen, own, &words)?;
    growth.batch.change(slot, entry, Pte::table(own.mfn, Reach::Inherit));
    growth.retire(xen, old)?;
    Ok(Some(old))
}
