//! Stage 7 of 9: clears the high mapping of everything but the kernel image, and proves the module area empty.
//!
//! The builder's mapping continues without a gap after the image: ramdisk, P2M, start_info, rings, page tables,
//! stack. Whatever lies at 0xffffffffa0000000 keeps modules out. An L2 entry that holds no part of the image is
//! cleared as a whole (its L1 table stays hooked under the direct map); in the image's last slot, the L1 entries after
//! the image are cleared one by one. A list with a mapping of its own (`INIT_P2M`) is unmapped by clearing the L4
//! entries that lead to it, last and in a batch of its own: such a mapping may have large pages, which only a builder
//! can hook, so this cannot be undone. Its page tables are ordinary pages after that. Cleared means zero: a non-present
//! entry that keeps an address is a way to read other domains' memory on processors with the L1TF flaw, and Xen crashes
//! the domain for it.
//!
//! Takes [`Retired`] from `p2m::revector`, gives [`ModuleSpace`] to `vmalloc`; the controls, which must fail, take it
//! without proof. Lineage: Linux `cleanup_highmap`, `xen_cleanhighmap`.

use crate::builder_list::OwnMapping;
use crate::commit::Batch;
use crate::error::MmError;
use crate::frames::give_back;
use crate::image;
use crate::l1_entries::L1Entries;
use crate::memory::Memory;
use crate::p2m::Retired;
use crate::tables::{Tables, l4_slots, pages_of};
use xen::Hypervisor;
use xen::addr::{ENTRIES, L1_SPAN, L2_SPAN, Pfn, VirtAddr, VirtRange};
use xen::area;
use xen::pte::{Level, Pte};

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
        let tables = &*memory.tables;
        let mut batch = Batch::new();
        batch.reserve(most_entries(image, tables));
        let mut cleaned = Cleaned::default();
        for at in high_slots() {
            clear_slot(at, image, tables, xen, &mut batch, &mut cleaned)?;
        }
        batch.commit(xen)?;
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

/// An entry for each of the builder's L1 tables, and one for each page that shares a slot with the image.
fn most_entries(image: VirtRange, tables: &Tables) -> usize {
    let beside_image = image::slots(image).count() as u64 * ENTRIES - image.pages();
    // Both are bounded by the 2 GiB of the high mapping: fit any usize.
    (tables.l1_shared() + beside_image) as usize
}

/// The 2 MiB slots of the high mapping's two L2 tables, except the very last, whose end would wrap around.
fn high_slots() -> impl Iterator<Item = VirtAddr> {
    (0..2 * L2_SPAN / L1_SPAN).map(|slot| area::high(Pfn::new(slot * ENTRIES)))
}

fn clear_slot<X: Hypervisor>(
    at: VirtAddr,
    image: VirtRange,
    tables: &Tables,
    xen: &X,
    batch: &mut Batch,
    cleaned: &mut Cleaned,
) -> Result<(), MmError> {
    let Some(l2) = tables.find(xen, at, Level::L2)? else { return Ok(()) };
    let before = tables.entry(xen, l2, at);
    if before.is_zero() {
        return Ok(());
    }
    if !image::slots(image).any(|slot| slot == at) {
        cleaned.slots += 1;
        batch.change(l2.slot(at), before, Pte::ABSENT);
        return Ok(());
    }
    let mut entries = L1Entries::new(tables);
    for page in pages_of(VirtRange::new(at, L1_SPAN)).filter(|page| !image.contains(*page)) {
        if let Some((slot, before)) = entries.get(xen, page)?.filter(|(_, entry)| !entry.is_zero()) {
            cleaned.pages += 1;
            batch.change(slot, before, Pte::ABSENT);
        }
    }
    Ok(())
}
