//! Stage 1 of 9: turns start_info, which is unverified input, into a [`BootInfo`] that the other stages trust.
//!
//! This one page is the interface between domain builder and guest. Every later stage does arithmetic on what it says,
//! so each field is checked here on its own and against the others, and the error for a bad one says what was expected,
//! what was found and what to do. Next: `pv_memory::layout` lays the checked fields out as rows.
//!
//! Sources: xen/include/public/xen.h, "Start-of-day memory layout".

use crate::abi::{SIF_MOD_START_PFN, StartInfo};
use crate::addr::{L2_SPAN, L3_SPAN, Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange, pages_for};
use crate::area;
use crate::early::Early;
use crate::events::Port;
pub use crate::field::{Fault, FieldError};
use crate::field::{checked, false_field, high_page};
pub use crate::mark::Mark;
pub use crate::role::Role;
use crate::{List, Lookup};

/// Most pages of a domain: as many as the direct map has addresses for, 2^32 (16 TiB).
pub const MAX_PAGES: u64 = area::DIRECT_MAP.pages();

/// What the image knows about itself before it has read anything.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Where the builder put start_info (%rsi at entry).
    pub start_info: VirtAddr,
    /// Where the builder's stack ends (%rsp at entry).
    pub boot_stack_end: VirtAddr,
    /// The kernel image, from its linker symbols, whole pages.
    pub image: VirtRange,
    /// Its executable part.
    pub text: VirtRange,
    /// Its read-only part, after the text.
    pub rodata: VirtRange,
    /// The image's page that shared_info is mapped over.
    pub shared_info: VirtAddr,
    /// The image's page below its stack, which nothing may use: stage 4 unmaps it.
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

/// Where the builder left the P2M list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListPlace {
    /// In the high mapping, which maps the pages of the domain in order.
    High,
    /// In a mapping of its own (`XEN_ELFNOTE_INIT_P2M`): in these pages, together with the page tables that map it.
    Own(PfnRange),
}

/// start_info, validated.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// What the image knew before.
    pub facts: Facts,
    /// Guest or initial domain.
    pub role: Role,
    /// The mark that its builder left.
    pub mark: Mark,
    /// Pages that the domain owns; the P2M has an entry for each.
    pub nr_pages: u64,
    /// The frame of shared_info, which Xen owns.
    pub shared_info: Mfn,
    /// The ramdisk, if there is one.
    pub ramdisk: Option<Ramdisk>,
    /// The addresses of the P2M list.
    pub mfn_list: VirtRange,
    /// Its pages.
    pub list_place: ListPlace,
    /// Page of the xenstore ring.
    pub store: Option<Pfn>,
    /// Its event channel, if the builder gave one that there can be.
    pub store_port: Option<Port>,
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
        let mfn_list = mfn_list(raw, nr_pages)?;
        let list = List::new(mfn_list.start, nr_pages);
        is_a_list(list, facts, xen)?;
        let mut info = Self {
            facts,
            role,
            mark: Mark::None,
            nr_pages,
            shared_info,
            ramdisk: ramdisk(raw, nr_pages)?,
            mfn_list,
            list_place: list_place(raw, mfn_list, nr_pages)?,
            store: None,
            store_port: Port::new(raw.store_evtchn).filter(|_| role == Role::Guest),
            console: None,
            page_tables: page_tables(raw)?,
        };
        info.check_order()?;
        if role == Role::Guest {
            info.store = Some(ring("store_mfn", raw.store_mfn, list, xen)?);
            info.console = Some(ring("console.mfn", raw.console_mfn, list, xen)?);
        }
        info.mark = Mark::of(role, raw.flags, info.store, info.console);
        Ok(info)
    }

    /// The header prescribes an order for what is in the high mapping; each part must start after the one before. (The
    /// order of the rings, which GRUB does not keep, does not matter.)
    fn check_order(&self) -> Result<(), FieldError> {
        let image_end = self.facts.image.end_raw();
        let mut end = image_end;
        if let Some(Ramdisk { place: RamdiskPlace::Mapped(at), bytes }) = self.ramdisk {
            after("mod_start", "the end of the kernel image or more", at, image_end)?;
            end = at.as_u64().saturating_add(pages_for(bytes) * PAGE_SIZE);
        }
        if self.list_place == ListPlace::High {
            after("mfn_list", "an address after kernel and ramdisk", self.mfn_list.start, end)?;
            end = self.mfn_list.end_raw().next_multiple_of(PAGE_SIZE);
        }
        after("(own address)", "an address after kernel, ramdisk and P2M list", self.facts.start_info, end)?;
        let end = self.facts.start_info.as_u64().saturating_add(PAGE_SIZE);
        after("pt_base", "an address after start_info", self.page_tables.start, end)?;
        self.check_unmapped_ramdisk()
    }

    /// A ramdisk that is not mapped must not share pages with anything that is, from the image to the boot stack.
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

fn after(field: &'static str, expected: &'static str, at: VirtAddr, end: u64) -> Result<(), FieldError> {
    checked(field, expected, at.as_u64(), |at| at >= end).map(|_| ())
}

/// A domain that is too large for the direct map is not the builder's fault.
const fn within_limit(pages: u64) -> Result<(), FieldError> {
    if pages <= MAX_PAGES {
        return Ok(());
    }
    Err(FieldError {
        field: "nr_pages",
        expected: "2^32 pages (16 TiB) or fewer",
        found: pages,
        advice: "this kernel cannot do more: its direct map ends there; give the domain 16 TiB or less",
        fault: Fault::Limit,
    })
}

/// The list's addresses: in the high mapping, or anywhere else that a kernel may have asked for by `INIT_P2M`.
fn mfn_list(raw: &StartInfo, nr_pages: u64) -> Result<VirtRange, FieldError> {
    let bytes = nr_pages * 8;
    if raw.mfn_list >= area::HIGH.as_u64() {
        let start = high_page("mfn_list", raw.mfn_list)?;
        let end = raw.mfn_list - area::HIGH.as_u64() + bytes;
        let expected = "a list that ends within 2 GiB of the high mapping's start";
        checked("mfn_list", expected, raw.mfn_list, |_| end <= 2 * L2_SPAN)?;
        below_the_end(raw.mfn_list, end)?;
        return Ok(VirtRange::new(start, bytes));
    }
    let expected = "a page-aligned address, and canonical ones to the list's end";
    let canonical = |at| VirtAddr::try_new(at).is_ok();
    let last = raw.mfn_list.saturating_add(bytes - 1);
    checked("mfn_list", expected, raw.mfn_list, |at| {
        at % PAGE_SIZE == 0 && canonical(at) && canonical(last) && at >> 47 == last >> 47
    })?;
    let list = VirtRange::new(VirtAddr::new_truncate(raw.mfn_list), bytes);
    let expected = "a list with L4 slots of its own: none of Xen, direct map, vmalloc and high mapping";
    checked("mfn_list", expected, raw.mfn_list, |_| has_slots_of_its_own(list))?;
    Ok(list)
}

/// A builder may use addresses to the last one; this kernel has nothing after the module area. Such a domain has about
/// 1 TiB, or a ramdisk that takes as many addresses as a list of it.
const fn below_the_end(at: u64, end: u64) -> Result<(), FieldError> {
    if end <= area::MODULES.end_raw() - area::HIGH.as_u64() {
        return Ok(());
    }
    Err(FieldError {
        field: "mfn_list",
        expected: "a list that ends below the module area's end, 0xffffffffff000000",
        found: at,
        advice: "this kernel cannot do more: give its image the note INIT_P2M, or the domain less memory or a smaller \
                 ramdisk",
        fault: Fault::Limit,
    })
}

/// start_info's own page must be found in the list. If it is not, the list is wrong, whatever its address, and not the
/// frames that are looked up in it.
fn is_a_list(list: List, facts: Facts, xen: &impl Lookup) -> Result<(), FieldError> {
    let expected = "the P2M list, which has for start_info's page a frame that M2P gives to it";
    let own = area::high_pfn(facts.start_info);
    let names_own = list.frame(xen, own).and_then(|mfn| xen.m2p(mfn)).is_some_and(|claim| claim.names(own));
    checked("mfn_list", expected, list.address(Pfn::ZERO).as_u64(), |_| names_own).map(|_| ())
}

/// Tells whether the L4 entries that lead to the list lead to no area that this crate uses otherwise.
fn has_slots_of_its_own(list: VirtRange) -> bool {
    let slot = |at: u64| at / L3_SPAN;
    let (first, last) = (slot(list.start.as_u64()), slot(list.end_raw() - 1));
    let others = [area::XEN, area::DIRECT_MAP, area::VMALLOC, area::HIGH_MAP];
    others.iter().all(|other| last < slot(other.start.as_u64()) || first > slot(other.end_raw() - 1))
}

/// The pages of a list with a mapping of its own: at least the list's, plus one table, which is enough with 1 GiB
/// pages.
fn list_place(raw: &StartInfo, list: VirtRange, nr_pages: u64) -> Result<ListPlace, FieldError> {
    if list.start >= area::HIGH {
        return Ok(ListPlace::High);
    }
    let least = pages_for(list.bytes) + 1;
    let expected = "the pages of the P2M list and of its page tables, INIT_P2M being asked for";
    let pages =
        checked("nr_p2m_frames", expected, raw.nr_p2m_frames, |pages| (least..=nr_pages).contains(&pages))?;
    let first = checked(
        "first_p2m_pfn",
        "a pfn whose nr_p2m_frames pages the domain has",
        raw.first_p2m_pfn,
        |pfn| pfn <= nr_pages - pages,
    )?;
    Ok(ListPlace::Own(PfnRange::new(Pfn::new(first), pages)))
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

/// start_info names rings by machine frame. M2P gives the page, of whatever domain; the list shows whether it is this
/// domain's.
fn ring(field: &'static str, mfn: u64, list: List, xen: &impl Lookup) -> Result<Pfn, FieldError> {
    let expected = "a machine frame of this domain, by M2P and by the P2M";
    let page = list.page_of(xen, Mfn::new(mfn));
    page.ok_or(false_field(field, expected, mfn))
}
