//! Another domain's frame with the number of a page of ours: Xen's M2P has no owners, so asking it is not enough.
//!
//! The model answers as Xen does: the frame has an entry, written by its owner. Each place where a frame number
//! comes from outside gets such a frame: start_info, an entry of a page table, an entry of the P2M.

use crate::support::boot;
use pv_memory::commit::MmuError;
use pv_memory::error::MmError;
use pv_memory::walk::WalkError;
use revector::error::BootError;
use revector::stage::Stage;
use xen::addr::{ENTRIES, Mfn, Pfn, PfnRange, VirtAddr};
use xen::pte::Level;
use xen::{Errno, Lookup};
use xen_model::{Built, Domain, Ramdisk};

const HIGH: u64 = 0xffff_ffff_8000_0000;

fn built() -> Built {
    Domain { ramdisk: Some(Ramdisk::blank(10_000)), ..Domain::guest(64) }.build().unwrap()
}

/// Another domain's frame that M2P gives to `pfn`.
fn foreign(built: &Built, pfn: Pfn) -> Mfn {
    let mfn = built.xen.machine().foreign_at(pfn);
    assert!(built.xen.m2p(mfn).unwrap().names(pfn), "M2P must have an entry, or this tests nothing");
    assert_eq!(built.xen.machine().pfn(mfn), None);
    mfn
}

/// Writes a word into the P2M list.
fn list(built: &mut Built, pfn: Pfn, word: u64) {
    let page = built.rows.list.start.plus(pfn.raw() / ENTRIES);
    let frame = built.xen.machine().mfn(page).unwrap();
    built.xen.frame_mut(frame)[(pfn.raw() % ENTRIES) as usize] = word;
}

fn walk_error(built: &mut Built) -> WalkError {
    match boot(built, "") {
        Err(BootError::Walk(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ring_in_another_domains_frame_is_refused() {
    for console in [false, true] {
        let mut built = built();
        let row = if console { built.rows.console } else { built.rows.store };
        let mfn = foreign(&built, row.start).raw();
        let field = match console {
            true => &mut built.start_info.console_mfn,
            false => &mut built.start_info.store_mfn,
        };
        *field = mfn;
        let text = boot(&mut built, "").unwrap_err().to_string();
        let name = if console { "start_info.console.mfn" } else { "start_info.store_mfn" };
        assert!(text.starts_with(name) && text.contains("by M2P and by the P2M"), "{text}");
    }
}

/// The builder may put the same false frame into both; then the page table decides, for Xen maps no other domain's
/// frame.
#[test]
fn a_ring_that_the_p2m_has_in_another_domains_frame_too_is_refused_by_the_walk() {
    let mut built = built();
    let pfn = built.rows.console.start;
    let mfn = foreign(&built, pfn);
    built.start_info.console_mfn = mfn.raw();
    list(&mut built, pfn, mfn.raw());
    let own = built.xen.machine().mfn(pfn).unwrap();
    assert_eq!(walk_error(&mut built), WalkError::NotListed { pfn, mfn: own, listed: mfn.raw() });
}

#[test]
fn a_page_table_in_another_domains_frame_is_not_followed() {
    // Entries that nothing else needs: the list is read through the others.
    for (level, at) in [(Level::L4, 0x1000_0000_0000), (Level::L3, HIGH + (1 << 30)), (Level::L2, HIGH)] {
        let mut built = built();
        let table = built.xen.table_at(VirtAddr::new(at), level).unwrap();
        let below = built.xen.table_at(VirtAddr::new(HIGH), level.below().unwrap()).unwrap();
        let pfn = built.xen.machine().pfn(below).unwrap();
        let mfn = foreign(&built, pfn);
        built.xen.frame_mut(table)[level.index(VirtAddr::new(at))] = mfn.raw() << 12 | 7;
        let error = walk_error(&mut built);
        assert!(matches!(error, WalkError::Unreadable(MmError::StrangeTable { .. })), "{level:?}: {error}");
    }
}

/// Everything that is mapped is compared with the P2M, whatever lies there.
/// The page of start_info shows whether `mfn_list` leads to the list at all.
#[test]
fn a_list_that_does_not_know_the_page_of_start_info_is_none() {
    for word in [u64::MAX, 5] {
        let mut built = built();
        let pfn = built.rows.start_info.start;
        list(&mut built, pfn, word);
        let text = boot(&mut built, "").unwrap_err().to_string();
        assert!(text.starts_with("start_info.mfn_list: expected the P2M list"), "{text}");
    }
}

#[test]
fn each_mapped_page_that_the_p2m_lacks_or_has_elsewhere_is_named() {
    let rows = built().rows;
    let last = Pfn::new(rows.mapped_end.raw() - 1);
    let ends = [rows.image.start, rows.list.start, rows.stack.start];
    for pfn in [Pfn::ZERO, Pfn::new(511), Pfn::new(512), last].into_iter().chain(ends) {
        for kind in 0..3 {
            let mut built = built();
            let listed = match kind {
                0 => u64::MAX,
                1 => foreign(&built, pfn).raw(),
                _ => built.xen.machine().mfn(Pfn::new(rows.mapped_end.raw() + 7)).unwrap().raw(),
            };
            list(&mut built, pfn, listed);
            let mfn = built.xen.machine().mfn(pfn).unwrap();
            let error = walk_error(&mut built);
            assert_eq!(error, WalkError::NotListed { pfn, mfn, listed });
            assert!(error.to_string().contains(&format!("the P2M has {listed:#x} for it")), "{error}");
        }
    }
}

/// A table that the P2M does not have cannot be found at all.
#[test]
fn a_page_table_that_the_p2m_lacks_is_not_followed() {
    for table in 0..4 {
        let mut built = built();
        let pfn = built.rows.tables.start.plus(table);
        list(&mut built, pfn, u64::MAX);
        let error = walk_error(&mut built);
        assert!(matches!(error, WalkError::Unreadable(_)), "table {table}: {error}");
    }
}

/// shared_info lies in the place of one page: that page may differ, by the frame that start_info names, no other.
#[test]
fn the_one_exception_is_exactly_shared_info() {
    let mut other = built();
    let at = other.facts.shared_info;
    let table = other.xen.table_at(at, Level::L1).unwrap();
    let wrong = foreign(&other, Pfn::new(3));
    let word = &mut other.xen.frame_mut(table)[Level::L1.index(at)];
    *word = *word & 0xfff | wrong.raw() << 12;
    assert!(matches!(walk_error(&mut other), WalkError::WrongPage { found: None, .. }));
    for word in [u64::MAX, 5] {
        let mut built = built();
        let pfn = Pfn::new((at.as_u64() - HIGH) / 4096);
        list(&mut built, pfn, word);
        let error = boot(&mut built, "").unwrap_err();
        let contradicted = MmError::Contradicted { pfn, mfn: Mfn::new(5) };
        let expected = if word == 5 { contradicted } else { MmError::NoFrame { pfn } };
        assert_eq!(error, BootError::Memory(Stage::DirectMap, expected), "{error}");
    }
}

/// What nothing maps yet, M2P and P2M can agree on and be wrong; Xen says so when it is mapped.
#[test]
fn another_domains_frame_past_the_mapping_is_refused_when_it_is_to_be_mapped() {
    for (line, foreign_pages) in [("p2m=copy", 1000), ("p2m=alias", 1000), ("p2m=baseline", 1)] {
        let mut built = Domain::guest(256).build().unwrap();
        let end = built.rows.mapped_end;
        for page in 0..foreign_pages {
            let mfn = foreign(&built, end.plus(page)).raw();
            list(&mut built, end.plus(page), mfn);
        }
        let error = boot(&mut built, line).unwrap_err();
        let refused = matches!(
            error,
            BootError::Memory(_, MmError::Mmu(MmuError::Refused { errno: Errno::EBUSY | Errno::EINVAL, .. }))
        );
        assert!(refused, "{line}: {error}");
    }
}

/// Xen maps a frame of ours under any of our numbers. A P2M that has one twice would have two pages share it, and one
/// of them may be in use; nothing has compared them with M2P before they are mapped, with `verify=off`.
#[test]
fn a_frame_of_ours_that_the_p2m_has_twice_is_not_mapped_a_second_time() {
    for line in ["p2m=copy verify=off", "p2m=alias verify=off", "p2m=baseline verify=off"] {
        let mut built = built();
        let (first, last) = (built.rows.mapped_end, Pfn::new(built.start_info.nr_pages));
        let twice = built.xen.machine().mfn(built.rows.image.start).unwrap();
        for pfn in PfnRange::between(first, last).iter() {
            list(&mut built, pfn, twice.raw());
        }
        let error = boot(&mut built, line).unwrap_err();
        let is_named =
            matches!(error, BootError::Memory(_, MmError::Contradicted { mfn, .. }) if mfn == twice);
        assert!(is_named, "{line}: {error:?}");
    }
}
