//! Rules about translations that outlive their entry: when they are flushed, and what happens to a guest that does not
//! flush.

use xen::abi::MmuUpdate;
use xen::addr::VirtAddr;
use xen::pte::Level;
use xen::{Errno, Lookup, PageTables, Pages, Stopped};
use xen_model::{Built, Domain, Xen};

use super::{HIGH, WRITABLE, built, entry, high, mfn, one, spare, table_page, write};

#[test]
fn a_changed_l1_entry_stays_in_the_tlb_until_somebody_flushes() {
    let mut built = built();
    let at = high(spare(&built));
    built.xen.probe(at).unwrap();
    one(&mut built.xen, at, Level::L1, 0).unwrap();
    assert!(built.xen.probe(at).is_ok(), "the stale translation is used");
    built.xen.flush_tlb().unwrap();
    assert!(built.xen.probe(at).is_err());
}

#[test]
fn a_changed_l2_entry_is_flushed_by_xen_also_if_a_later_element_fails() {
    let mut built = built();
    let end = built.rows.mapped_end.raw();
    let at = high(end - 1);
    built.xen.probe(at).unwrap();
    let good = write(&built.xen, at, Level::L2, 0);
    let bad = MmuUpdate { ptr: 5, val: 0 };
    assert_eq!(built.xen.update(&[good, bad]), Err(Stopped { done: 1, errno: Errno::ENOSYS }));
    assert!(built.xen.probe(at).is_err());
}

/// A model as tests get it: it forgets when it is asked to.
fn strict() -> Built {
    Domain::guest(64).build().unwrap()
}

#[test]
#[should_panic(expected = "no flush was asked for after a batch of 1 elements")]
fn a_strict_model_stops_a_guest_that_goes_on_after_an_l2_entry_went_without_a_flush() {
    let mut built = strict();
    let gone = high(built.rows.mapped_end.raw() - 1);
    one(&mut built.xen, gone, Level::L2, 0).unwrap();
    // Never read at the old address, and now somewhere else: a processor may remember it nevertheless.
    let _ = built.xen.probe(high(0));
}

#[test]
fn a_strict_model_names_each_address_of_an_entry_that_is_hooked_twice() {
    let mut built = strict();
    let (pfn, xen) = (spare(&built), &mut built.xen);
    let table = xen.table_at(high(pfn), Level::L1).unwrap();
    let twice = VirtAddr::new(HIGH + (1 << 29));
    one(xen, twice, Level::L2, entry(table, WRITABLE)).unwrap();
    let other = VirtAddr::new(twice.as_u64() + (pfn % 512) * 4096);
    // Forgets the address that is named, and not the other one.
    xen.update_va_mapping(high(pfn), 0).unwrap();
    let stale = xen.stale().unwrap();
    assert_eq!((stale.at, stale.now), (other, None));
    xen.flush_tlb().unwrap();
    assert_eq!(xen.stale(), None);
}

#[test]
fn a_strict_model_does_not_forget_a_frame_that_becomes_a_table() {
    let mut built = strict();
    let pfn = spare(&built);
    let frame = table_page(&mut built, pfn);
    one(&mut built.xen, VirtAddr::new(HIGH + (1 << 29)), Level::L2, entry(frame, WRITABLE)).unwrap();
    assert_eq!(built.xen.stale().unwrap().at, high(pfn));
}

#[test]
#[should_panic(expected = "page fault, the kernel dies: Write")]
fn a_page_made_writable_again_faults_without_a_flush() {
    let mut built = built();
    let pfn = spare(&built);
    table_page(&mut built, pfn);
    built.xen.flush_tlb().unwrap();
    built.xen.probe(high(pfn)).unwrap();
    let frame = mfn(&built.xen, pfn);
    one(&mut built.xen, high(pfn), Level::L1, entry(frame, WRITABLE)).unwrap();
    store(&mut built.xen, high(pfn));
}

#[expect(unsafe_code, reason = "the seam's unsafe half is what is tested")]
fn store(xen: &mut Xen, at: VirtAddr) {
    // SAFETY: the model checks the access itself; nothing else uses the page.
    let words = unsafe { xen.page_mut(at) };
    words[0] = 1;
}
