//! What must be true of a domain after its boot, as seen from outside.

use std::collections::BTreeSet;

use xen::addr::{Mfn, Pfn};
use xen_model::{Built, Event, Kind, Xen};

use super::toolstack::{self, Saved};
use super::walk::Walk;

const DIRECT: u64 = 0xffff_8800_0000_0000;
const DIRECT_END: u64 = 0xffff_9800_0000_0000;
const VMALLOC: u64 = 0xffff_c900_0000_0000;
const P2M: u64 = 0xffff_ea00_0000_0000;
const HIGH: u64 = 0xffff_ffff_8000_0000;
const MODULES: u64 = 0xffff_ffff_a000_0000;

/// Everything that holds after any boot that got to its end, whatever its options.
pub(crate) fn always(built: &Built) -> (Walk, Saved) {
    if let Some(stale) = built.xen.stale() {
        panic!("after the boot: {stale}");
    }
    let walk = Walk::of(&built.xen);
    page_tables_are_read_only(built, &walk);
    direct_map_is_linear(built, &walk);
    direct_map_is_writable(built, &walk);
    let saved = p2m_is_the_builders(built);
    list_area_shows_the_list(built, &walk, &saved);
    assert_eq!(built.xen.direct_map_base().map(|at| at.as_u64()), Some(DIRECT));
    (walk, saved)
}

/// Besides, what holds after a boot that revectored and cleaned.
pub(crate) fn cleaned(built: &Built) {
    cleaned_but_for_the_list(built);
    assert_eq!(Walk::of(&built.xen).within(0, DIRECT).next(), None, "mapped below the direct map");
}

/// The same, if the list stays where a builder has mapped it apart from everything else.
pub(crate) fn cleaned_but_for_the_list(built: &Built) {
    let (walk, saved) = always(built);
    high_mapping_is_the_image(built, &walk);
    nothing_is_writable_and_executable(&walk);
    no_code_is_writable(&walk);
    no_leaf_is_mapped_high(&walk, &saved);
}

/// After the direct map there is a list at most, whose leaves are those of the frame list, in 2 MiB slots that the direct
/// map shows too.
fn list_area_shows_the_list(built: &Built, walk: &Walk, saved: &Saved) {
    let list = built.xen.published().and_then(|published| published.list).map(|list| list.at.as_u64());
    let Some(at) = list.filter(|at| (P2M..HIGH).contains(at)) else {
        assert_eq!(walk.within(VMALLOC, HIGH).next(), None, "left after the direct map");
        return;
    };
    let end = (at + saved.leaves.len() as u64 * 4096).next_multiple_of(2 << 20);
    let left = walk.within(VMALLOC, HIGH).find(|leaf| !(P2M..end).contains(&leaf.at) || leaf.executable);
    assert_eq!(left, None, "no part of the list's slots");
    let shown: Vec<Mfn> = walk.within(at, end).map(|leaf| leaf.mfn).take(saved.leaves.len()).collect();
    assert_eq!(shown, saved.leaves, "the list's leaves");
}

/// Frames that are tables are mapped writable nowhere; the model's types must agree with the walk.
fn page_tables_are_read_only(built: &Built, walk: &Walk) {
    for leaf in &walk.leaves {
        let is_table = walk.tables.contains_key(&leaf.mfn);
        assert!(!(leaf.writable && is_table), "page table writable: {leaf:x?}");
    }
    for (mfn, level) in &walk.tables {
        assert!(matches!(built.xen.kind(*mfn), Some((Kind::Table(_), count)) if count > 0), "{mfn} L{level}");
    }
}

/// Page n is at DIRECT + n * 4096, backed by its own frame, never executable; all that the builder placed is among
/// them.
fn direct_map_is_linear(built: &Built, walk: &Walk) {
    let mut shown = 0;
    for leaf in walk.within(DIRECT, DIRECT_END) {
        let pfn = Pfn::new((leaf.at - DIRECT) / 4096);
        assert_eq!(built.xen.machine().mfn(pfn), Some(leaf.mfn), "{leaf:x?}");
        assert!(!leaf.executable, "{leaf:x?}");
        shown += u64::from(pfn < built.rows.mapped_end);
    }
    assert_eq!(shown, built.rows.mapped_end.raw(), "every page of the initial mapping is in the direct map");
}

/// A page is written to there once it is taken; only tables, code and constants are read-only.
fn direct_map_is_writable(built: &Built, walk: &Walk) {
    let image = built.rows.image;
    let fixed = built.facts.text.pages() + built.facts.rodata.pages();
    for leaf in walk.within(DIRECT, DIRECT_END) {
        let pfn = Pfn::new((leaf.at - DIRECT) / 4096);
        let is_constant = image.contains(pfn) && pfn.above(image.start) < fixed;
        let is_table = walk.tables.contains_key(&leaf.mfn);
        assert_eq!(leaf.writable, !is_constant && !is_table, "{leaf:x?}");
    }
}

/// Only the image is left: its own frames, shared_info in its place, rights as linked, nothing below the stack.
pub(crate) fn high_mapping_is_the_image(built: &Built, walk: &Walk) {
    let facts = built.facts;
    let mut pages = 0;
    for leaf in walk.within(HIGH, u64::MAX) {
        let pfn = Pfn::new((leaf.at - HIGH) / 4096);
        assert!(built.rows.image.contains(pfn), "still mapped: {leaf:x?}");
        assert_ne!(leaf.at, facts.stack_guard.as_u64(), "the page below the stack is mapped");
        let is_shared_info = leaf.at == facts.shared_info.as_u64();
        let own = built.xen.machine().mfn(pfn).filter(|_| !is_shared_info);
        assert_eq!(leaf.mfn, own.unwrap_or(Mfn::new(built.start_info.shared_info / 4096)), "{leaf:x?}");
        let page = pfn.above(built.rows.image.start);
        let text = facts.text.pages();
        let data = text + facts.rodata.pages();
        assert_eq!((leaf.executable, leaf.writable), (page < text, page >= data), "{leaf:x?}");
        pages += 1;
    }
    assert_eq!(
        pages + 1,
        built.rows.image.pages(),
        "the whole image is mapped, but for the page below the stack"
    );
    let absent = walk.nonzero.iter().find(|(at, level)| *at >= MODULES && *level == 1);
    assert_eq!(absent, None, "an L1 entry in the module area is not zero");
}

pub(crate) fn nothing_is_writable_and_executable(walk: &Walk) {
    let both = walk.leaves.iter().find(|leaf| leaf.writable && leaf.executable);
    assert_eq!(both, None);
}

/// Watches a boot: looks whenever a module is about to run, which is when there is code to look for.
pub(crate) fn watch(xen: &Xen, event: Event) {
    if event == Event::Call {
        no_code_is_writable(&Walk::of(xen));
    }
}

/// A page is only as protected as its most generous mapping.
pub(crate) fn no_code_is_writable(walk: &Walk) {
    let code: BTreeSet<_> = walk.leaves.iter().filter(|leaf| leaf.executable).map(|leaf| leaf.mfn).collect();
    let alias = walk.leaves.iter().find(|leaf| leaf.writable && code.contains(&leaf.mfn));
    assert_eq!(alias, None, "code can be written, here or through another mapping");
}

fn no_leaf_is_mapped_high(walk: &Walk, saved: &Saved) {
    let leaves: BTreeSet<_> = saved.leaves.iter().collect();
    let high = walk.within(HIGH, u64::MAX).find(|leaf| leaves.contains(&leaf.mfn));
    assert_eq!(high, None, "a leaf of the P2M is still in the high mapping");
}

/// The toolstack's view equals what the builder wrote, for every page.
fn p2m_is_the_builders(built: &Built) -> Saved {
    let saved = toolstack::map_p2m(&built.xen).unwrap_or_else(|error| panic!("xl save fails: {error}"));
    for (pfn, word) in (0..).map(Pfn::new).zip(&saved.p2m) {
        let expected = built.xen.machine().mfn(pfn).map_or(u64::MAX, Mfn::raw);
        assert_eq!(*word, expected, "{pfn}");
    }
    assert_eq!(saved.p2m.len() as u64, built.start_info.nr_pages);
    saved
}
