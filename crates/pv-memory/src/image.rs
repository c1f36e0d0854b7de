//! The kernel image's own mappings: code read-only and executable, constants read-only, the rest not executable.
//!
//! The builder maps everything writable and executable. Its L1 tables are shared with the direct map (`direct_map`),
//! and both views need different rights, so the image gets L1 tables of its own in the high mapping. In the shared
//! ones, code and constants become read-only: a page is only as protected as its most permissive mapping.
//!
//! Since entry, shared_info has been mapped in place of one page of the image; in the direct map that page gets its own
//! frame back. The page below the stack is unmapped: a stack that overflows faults there. Below it lie the constants,
//! which are read-only, so that a stack frame larger than a page faults too. Until then the builder's mapping allows
//! such writes.
//! Neighbours: part of stage 4; `cleanup` (stage 7) keeps only what is mapped here.

use crate::error::MmError;
use crate::frames::Frames;
use crate::growth::Growth;
use crate::layout::Layout;
use crate::tables::{confirm, pages_of};
use xen::Hypervisor;
use xen::addr::{L1_SPAN, VirtAddr, VirtRange};
use xen::area;
use xen::pte::{Access, Level, Pte, Reach};
use xen::start_info::Facts;

/// Returns the 2 MiB slots of the high mapping that hold a part of the image.
pub fn slots(image: VirtRange) -> impl Iterator<Item = VirtAddr> {
    let first = image.start.as_u64() / L1_SPAN;
    let last = (image.end_raw() - 1) / L1_SPAN;
    (first..=last).map(|slot| VirtAddr::new_truncate(slot * L1_SPAN))
}

/// Adds to `growth`: private L1 tables for the image, and read-only aliases of its code and constants.
pub(crate) fn unshare<X: Hypervisor>(
    growth: &mut Growth<'_>,
    layout: &Layout,
    facts: &Facts,
    frames: &mut Frames,
    xen: &mut X,
) -> Result<(), MmError> {
    protect_aliases(growth, facts, xen)?;
    restore_shared_info_page(growth, layout, facts, xen)?;
    for slot in slots(facts.image) {
        let shared = growth.tables().find(xen, slot, Level::L1)?.ok_or(MmError::NotMapped { at: slot })?;
        let mut words = growth.tables().window().page(xen, shared.pfn);
        for (word, at) in words.iter_mut().zip(pages_of(VirtRange::new(slot, L1_SPAN))) {
            let entry = Pte::from_word(*word);
            let own = Pte::leaf(entry.mfn(), access(facts, at));
            let shown = entry.is_present() && at != facts.stack_guard;
            *word = if shown { own.word() } else { Pte::ABSENT.word() };
        }
        let l1 = growth.make(xen, frames, slot, Level::L1)?;
        growth.store_all(xen, l1, &words)?;
        let l2 = growth.tables().find(xen, slot, Level::L2)?.ok_or(MmError::NotMapped { at: slot })?;
        let before = growth.tables().entry(xen, l2, slot);
        growth.batch.change(l2.slot(slot), before, Pte::table(l1.mfn, Reach::Inherit));
    }
    Ok(())
}

/// What the high mapping allows at `at`. Other pages in the image's last slot are read here until they are cleared, by
/// a P2M that has not moved; they are written through the direct map only, so that `seal` has one mapping to deal with.
fn access(facts: &Facts, at: VirtAddr) -> Access {
    if facts.text.contains(at) {
        Access::Code
    } else if facts.rodata.contains(at) || !facts.image.contains(at) {
        Access::ReadOnly
    } else {
        Access::Data
    }
}

fn protect_aliases<X: Hypervisor>(growth: &mut Growth<'_>, facts: &Facts, xen: &X) -> Result<(), MmError> {
    for at in pages_of(facts.text).chain(pages_of(facts.rodata)) {
        let (slot, entry) = growth.tables().leaf(xen, at)?.ok_or(MmError::NotMapped { at })?;
        growth.batch.change(slot, entry, entry.read_only());
    }
    Ok(())
}

/// In the shared L1 table, puts the image's own frame back where shared_info is now.
fn restore_shared_info_page<X: Hypervisor>(
    growth: &mut Growth<'_>,
    layout: &Layout,
    facts: &Facts,
    xen: &X,
) -> Result<(), MmError> {
    let at = facts.shared_info;
    let pfn = area::high_pfn(at);
    let own = layout.list().frame(xen, pfn).ok_or(MmError::NoFrame { pfn })?;
    let own = confirm(xen, pfn, own)?;
    let (slot, shared_info) = growth.tables().leaf(xen, at)?.ok_or(MmError::NotMapped { at })?;
    growth.batch.change(slot, shared_info, Pte::leaf(own, Access::Data));
    Ok(())
}
