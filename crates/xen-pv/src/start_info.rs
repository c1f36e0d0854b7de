//! Stage 1 of 9: turns start_info, which is an allegation, into a [`BootInfo`] that the other stages trust.
//!
//! The domain builder and the guest meet in this one page. Every later stage does arithmetic on what it says, so
//! each field is checked on its own and against the others here, and a bad one is named with what was expected,
//! what was found and what to do. Next: `pv_memory::layout` lays the checked fields out as rows.
//!
//! Sources: xen/include/public/xen.h, "Start-of-day memory layout".

use crate::abi::{SIF_MOD_START_PFN, StartInfo};
use crate::addr::{ENTRIES, L2_SPAN, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange, pages_for};
use crate::area;
use crate::early::Early;
pub use crate::field::{Fault, FieldError};
use crate::field::{checked, false_field, high_page};
pub use crate::role::Role;
use crate::{List, Lookup};

/// Most pages that a three-level tree of 512 entries each can hold: 512 GiB.
pub const MAX_PAGES: u64 = ENTRIES * ENTRIES * ENTRIES;

/// What the image knows about itself before it has read anything.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Where the builder put start_info (%rsi at entry).
    pub start_info: VirtAddr,
    /// The kernel image, from its linker symbols, whole pages.
    pub image: VirtRange,
    /// Its executable part.
    pub text: VirtRange,
    /// Its read-only part, behind the text.
    pub rodata: VirtRange,
    /// Page of the image in whose place shared_info is mapped.
    pub shared_info: VirtAddr,
    /// Page of the image below its stack, which nothing may use: stage 4 takes its mapping away.
    pub stack_guard: VirtAddr,
}

/// Where the builder left the ramdisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RamdiskPlace {
    /// In the high mapping.
    Mapped(VirtAddr),
    /// In memory only (`XEN_ELFNOTE_MOD_START_PFN`).
    Unmapped(Pfn),
}

/// The ramdisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    /// Where it starts.
    pub place: RamdiskPlace,
    /// Length in bytes.
    pub bytes: u64,
}

/// start_info, validated.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// What the image knew before.
    pub facts: Facts,
    /// Guest or initial domain.
    pub role: Role,
    /// Pages that the domain owns; the P2M has an entry for each.
    pub nr_pages: u64,
    /// The frame of shared_info, which is Xen's.
    pub shared_info: Mfn,
    /// The ramdisk, if there is one.
    pub ramdisk: Option<Ramdisk>,
    /// The P2M list.
    pub mfn_list: VirtRange,
    /// Page of the xenstore ring.
    pub store: Option<Pfn>,
    /// Page of the console ring.
    pub console: Option<Pfn>,
    /// The page tables, L4 first.
    pub page_tables: VirtRange,
}

impl BootInfo {
    /// Checks every field that the boot uses.
    ///
    /// # Errors
    /// The first [`FieldError`], in the order of the structure.
    pub fn parse(raw: &StartInfo, facts: Facts, xen: &impl Lookup) -> Result<Self, FieldError> {
        let Early { role, nr_pages, shared_info, .. } = Early::parse(raw)?;
        high_page("(own address)", facts.start_info.as_u64())?;
        within_limit(nr_pages)?;
        let mut info = Self {
            facts,
            role,
            nr_pages,
            shared_info,
            ramdisk: ramdisk(raw, nr_pages)?,
            mfn_list: mfn_list(raw, nr_pages)?,
            store: None,
            console: None,
            page_tables: page_tables(raw)?,
        };
        info.check_order()?;
        if role == Role::Guest {
            let list = List::new(info.mfn_list.start, nr_pages);
            info.store = Some(ring("store_mfn", raw.store_mfn, list, xen)?);
            info.console = Some(ring("console.mfn", raw.console_mfn, list, xen)?);
        }
        Ok(info)
    }

    /// The builder appends its elements in one order; each must start behind the one before.
    fn check_order(&self) -> Result<(), FieldError> {
        let image_end = self.facts.image.end_raw();
        let mut end = image_end;
        if let Some(Ramdisk { place: RamdiskPlace::Mapped(at), bytes }) = self.ramdisk {
            behind("mod_start", "the end of the kernel image or more", at, image_end)?;
            end = at.as_u64().saturating_add(pages_for(bytes) * PAGE_SIZE);
        }
        behind("mfn_list", "an address behind kernel and ramdisk", self.mfn_list.start, end)?;
        let list_end = self.mfn_list.end_raw().next_multiple_of(PAGE_SIZE);
        behind("(own address)", "an address behind the P2M list", self.facts.start_info, list_end)?;
        let end = self.facts.start_info.as_u64().saturating_add(PAGE_SIZE);
        behind("pt_base", "an address behind start_info", self.page_tables.start, end)?;
        self.check_unmapped_ramdisk()
    }

    /// A ramdisk without addresses must not share pages with what has some, from the image to the boot stack.
    fn check_unmapped_ramdisk(&self) -> Result<(), FieldError> {
        let Some(Ramdisk { place: RamdiskPlace::Unmapped(first), bytes }) = self.ramdisk else {
            return Ok(());
        };
        let page = |at: u64| area::high_pfn(VirtAddr::new_truncate(at));
        let mapped_end = page(self.page_tables.end_raw()).plus(1);
        let mapped = PfnRange::between(page(self.facts.image.start.as_u64()), mapped_end);
        let apart = !mapped.overlaps(PfnRange::new(first, pages_for(bytes)));
        checked("mod_start", "pages outside image, P2M and page tables", first.raw(), |_| apart).map(|_| ())
    }
}

fn behind(field: &'static str, expected: &'static str, at: VirtAddr, end: u64) -> Result<(), FieldError> {
    checked(field, expected, at.as_u64(), |at| at >= end).map(|_| ())
}

/// A domain that is larger than the tree is no fault of its builder's.
const fn within_limit(pages: u64) -> Result<(), FieldError> {
    if pages <= MAX_PAGES {
        return Ok(());
    }
    Err(FieldError {
        field: "nr_pages",
        expected: "2^27 pages (512 GiB) or fewer",
        found: pages,
        advice: "this kernel cannot do more: its P2M tree has three levels of 512; give the domain 512 GiB or less",
        fault: Fault::Limit,
    })
}

fn mfn_list(raw: &StartInfo, nr_pages: u64) -> Result<VirtRange, FieldError> {
    if raw.mfn_list < area::HIGH.as_u64() {
        return Err(FieldError {
            field: "mfn_list",
            expected: "an address of the high mapping",
            found: raw.mfn_list,
            advice: "the image carries the INIT_P2M note, which this boot does not handle: build it without",
            fault: Fault::Limit,
        });
    }
    let start = high_page("mfn_list", raw.mfn_list)?;
    let bytes = nr_pages * 8;
    checked("mfn_list", "a list that ends within 2 GiB", raw.mfn_list, |at| {
        at - area::HIGH.as_u64() + bytes <= 2 * L2_SPAN - L2_SPAN / 64
    })?;
    Ok(VirtRange::new(start, bytes))
}

fn ramdisk(raw: &StartInfo, nr_pages: u64) -> Result<Option<Ramdisk>, FieldError> {
    if raw.mod_start == 0 || raw.mod_len == 0 {
        return Ok(None);
    }
    checked("mod_len", "no more bytes than the domain has", raw.mod_len, |bytes| {
        bytes <= nr_pages * PAGE_SIZE
    })?;
    let place = if raw.flags & SIF_MOD_START_PFN != 0 {
        let pages = pages_for(raw.mod_len);
        checked("mod_start", "a pfn of the domain", raw.mod_start, |pfn| {
            pfn.checked_add(pages).is_some_and(|end| end <= nr_pages)
        })?;
        RamdiskPlace::Unmapped(Pfn::new(raw.mod_start))
    } else {
        RamdiskPlace::Mapped(high_page("mod_start", raw.mod_start)?)
    };
    Ok(Some(Ramdisk { place, bytes: raw.mod_len }))
}

fn page_tables(raw: &StartInfo) -> Result<VirtRange, FieldError> {
    let start = high_page("pt_base", raw.pt_base)?;
    let frames = checked(
        "nr_pt_frames",
        "4 to 1100 (an L4, an L3, up to 2 L2 and their L1)",
        raw.nr_pt_frames,
        |n| (4..=1100).contains(&n),
    )?;
    Ok(VirtRange::new(start, frames * PAGE_SIZE))
}

/// start_info names rings by machine frame. M2P says which page that is, of whatever domain; the list, whether ours.
fn ring(field: &'static str, mfn: u64, list: List, xen: &impl Lookup) -> Result<Pfn, FieldError> {
    let expected = "a machine frame of this domain, by M2P and by the P2M";
    let page = list.page_of(xen, Mfn::new(mfn));
    page.ok_or(false_field(field, expected, mfn))
}
