//! The model refuses what Xen refuses, with Xen's errors: each rule broken on purpose.

mod translations;

use xen::abi::MmuUpdate;
use xen::addr::{Mfn, Pfn, VirtAddr};
use xen::pte::Level;
use xen::{Errno, Lookup, Stopped};
use xen_model::{Builder, Built, Domain, Flushes, Kind, Xen};

const HIGH: u64 = 0xffff_ffff_8000_0000;
const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;

/// On a Xen of today, which flushes more than it promises.
fn built() -> Built {
    let mut built = Domain::guest(64).build().unwrap();
    built.xen.forget_when(Flushes::AlsoImplied);
    built
}

const fn high(pfn: u64) -> VirtAddr {
    VirtAddr::new_truncate(HIGH + pfn * 4096)
}

fn mfn(xen: &Xen, pfn: u64) -> Mfn {
    xen.machine().mfn(Pfn::new(pfn)).unwrap()
}

/// A page after the stack, mapped by the builder and not used.
fn spare(built: &Built) -> u64 {
    built.rows.stack.end.raw() + 1
}

/// One write to the entry of `level` that covers `at`.
fn write(xen: &Xen, at: VirtAddr, level: Level, word: u64) -> MmuUpdate {
    let table = xen.table_at(at, level).unwrap();
    MmuUpdate { ptr: table.raw() << 12 | (level.index(at) * 8) as u64, val: word }
}

fn one(xen: &mut Xen, at: VirtAddr, level: Level, word: u64) -> Result<(), Errno> {
    let element = write(xen, at, level, word);
    xen.update(&[element]).map_err(|stopped| stopped.errno)
}

fn entry(mfn: Mfn, bits: u64) -> u64 {
    mfn.raw() << 12 | bits | PRESENT
}

/// Makes a page zero and read-only: fit to be a table.
fn table_page(built: &mut Built, pfn: u64) -> Mfn {
    let frame = mfn(&built.xen, pfn);
    built.xen.frame_mut(frame).fill(0);
    one(&mut built.xen, high(pfn), Level::L1, entry(frame, 0)).unwrap();
    frame
}

#[test]
fn a_frame_mapped_writable_cannot_become_a_table() {
    let mut built = built();
    let frame = mfn(&built.xen, spare(&built));
    assert_eq!(
        one(&mut built.xen, VirtAddr::new(HIGH + (1 << 29)), Level::L2, entry(frame, 2)),
        Err(Errno::EINVAL)
    );
    assert_eq!(built.xen.pin(frame, Level::L1), Err(Errno::EINVAL));
}

#[test]
fn a_table_cannot_be_mapped_writable_and_can_again_when_it_is_none() {
    let mut built = built();
    let pfn = spare(&built);
    let frame = table_page(&mut built, pfn);
    let slot = VirtAddr::new(HIGH + (1 << 29));
    one(&mut built.xen, slot, Level::L2, entry(frame, WRITABLE)).unwrap();
    assert_eq!(built.xen.kind(frame), Some((Kind::Table(Level::L1), 1)));
    assert_eq!(one(&mut built.xen, high(pfn), Level::L1, entry(frame, WRITABLE)), Err(Errno::EBUSY));
    one(&mut built.xen, slot, Level::L2, 0).unwrap();
    assert_eq!(built.xen.kind(frame), None);
    one(&mut built.xen, high(pfn), Level::L1, entry(frame, WRITABLE)).unwrap();
}

#[test]
fn a_table_is_refused_for_one_bad_entry_and_everything_taken_is_given_back() {
    let mut built = built();
    let (pfn, other) = (spare(&built), spare(&built) + 1);
    let frame = table_page(&mut built, pfn);
    let data = mfn(&built.xen, other);
    let before = built.xen.kind(data);
    built.xen.frame_mut(frame)[3] = entry(data, WRITABLE);
    let root = built.xen.root();
    built.xen.frame_mut(frame)[4] = entry(root, WRITABLE);
    let slot = VirtAddr::new(HIGH + (1 << 29));
    assert_eq!(one(&mut built.xen, slot, Level::L2, entry(frame, 2)), Err(Errno::EBUSY));
    assert_eq!((built.xen.kind(data), built.xen.kind(frame)), (before, None));
    built.xen.frame_mut(frame)[4] = 0;
    one(&mut built.xen, slot, Level::L2, entry(frame, WRITABLE)).unwrap();
    assert_eq!(built.xen.kind(data), Some((Kind::Writable, 2)));
}

#[test]
fn a_batch_stops_at_the_first_bad_element_and_says_how_many_were_done() {
    let mut built = built();
    let pfn = spare(&built);
    let xen = &built.xen;
    let good = write(xen, high(pfn), Level::L1, entry(mfn(xen, pfn), 0));
    let bad = write(xen, high(pfn + 1), Level::L1, entry(xen.machine().foreign(), 0));
    let late = write(xen, high(pfn + 2), Level::L1, 0);
    let stopped = built.xen.update(&[good, bad, late]);
    assert_eq!(stopped, Err(Stopped { done: 1, errno: Errno::EBUSY }));
    assert!(built.xen.mapping(high(pfn + 2)).is_some());
    assert!(!built.xen.mapping(high(pfn)).unwrap().writable);
}

#[test]
fn others_frames_and_devices_are_refused_with_different_errors() {
    let mut built = built();
    let at = high(spare(&built));
    let foreign = built.xen.machine().foreign();
    let device = Mfn::new(0xfe_0000);
    let nobody = Mfn::new((1 << 40) - 1);
    assert_eq!(one(&mut built.xen, at, Level::L1, entry(foreign, 0)), Err(Errno::EBUSY));
    assert_eq!(one(&mut built.xen, at, Level::L1, entry(device, 0)), Err(Errno::EPERM));
    assert_eq!(one(&mut built.xen, at, Level::L1, entry(nobody, 0)), Err(Errno::EINVAL));
    let slot = VirtAddr::new(HIGH + (1 << 29));
    for frame in [foreign, device] {
        assert_eq!(one(&mut built.xen, slot, Level::L2, entry(frame, 2)), Err(Errno::EINVAL));
    }
    let element = MmuUpdate { ptr: foreign.raw() << 12, val: 0 };
    assert_eq!(built.xen.update(&[element]), Err(Stopped { done: 0, errno: Errno::EINVAL }));
}

#[test]
fn the_hypervisors_slots_large_pages_and_forbidden_bits_are_refused() {
    let mut built = built();
    let frame = mfn(&built.xen, spare(&built));
    for slot in [256_u64, 260, 271] {
        let at = VirtAddr::new_truncate(slot << 39);
        for word in [0, entry(frame, 2)] {
            assert_eq!(one(&mut built.xen, at, Level::L4, word), Err(Errno::EINVAL));
        }
    }
    let slot = VirtAddr::new(HIGH + (1 << 29));
    assert_eq!(one(&mut built.xen, slot, Level::L2, entry(frame, 0x82)), Err(Errno::EINVAL));
    let at = high(spare(&built));
    for bits in [1 << 3, 1 << 4, 1 << 7, 1 << 62] {
        assert_eq!(one(&mut built.xen, at, Level::L1, entry(frame, bits)), Err(Errno::EINVAL));
    }
    let mut dom0 = Domain { builder: Builder::Xen, ..Domain::guest(64) }.build().unwrap();
    let frame = mfn(&dom0.xen, spare(&dom0));
    one(&mut dom0.xen, at, Level::L1, entry(frame, 1 << 4)).unwrap();
}

#[test]
#[should_panic(expected = "L1TF-vulnerable L1 entry")]
fn an_absent_entry_that_keeps_its_address_crashes_the_domain() {
    let mut built = built();
    let at = high(spare(&built));
    let frame = mfn(&built.xen, spare(&built));
    let _ = one(&mut built.xen, at, Level::L1, entry(frame, WRITABLE) & !PRESENT);
}

#[test]
#[should_panic(expected = "the kernel loses its own page")]
fn unmapping_the_running_kernel_kills_it() {
    let mut built = built();
    let at = built.facts.text.start;
    let _ = one(&mut built.xen, at, Level::L2, 0);
}

#[test]
fn entries_read_back_differ_from_what_was_written() {
    let mut built = built();
    let pfn = spare(&built);
    let frame = mfn(&built.xen, pfn);
    let table = built.xen.table_at(high(pfn), Level::L1).unwrap();
    let index = Level::L1.index(high(pfn));
    one(&mut built.xen, high(pfn), Level::L1, entry(frame, 0)).unwrap();
    assert_eq!(built.xen.frame(table)[index], entry(frame, 4 | 1 << 52));
    one(&mut built.xen, high(pfn), Level::L1, entry(frame, 4)).unwrap();
    assert_eq!(built.xen.frame(table)[index], entry(frame, 4 | 1 << 8));
}

#[test]
fn pinning_is_a_flag_and_needs_a_valid_tree() {
    let mut built = built();
    let root = built.xen.root();
    assert_eq!(built.xen.pin(root, Level::L4), Err(Errno::EINVAL));
    built.xen.unpin(root).unwrap();
    assert_eq!(built.xen.unpin(root), Err(Errno::EINVAL));
    assert_eq!(built.xen.kind(root), Some((Kind::Table(Level::L4), 1)), "it is still loaded");
    built.xen.pin(root, Level::L4).unwrap();
    let pfn = spare(&built);
    let frame = table_page(&mut built, pfn);
    assert_eq!(built.xen.pin(root, Level::L3), Err(Errno::EINVAL));
    built.xen.pin(frame, Level::L1).unwrap();
    assert_eq!(built.xen.unpin(frame), Ok(()));
    assert_eq!(built.xen.kind(frame), None);
}

#[test]
fn a_mapping_by_address_needs_an_l1_table() {
    let mut built = built();
    let word = entry(mfn(&built.xen, spare(&built)), 0);
    let nowhere = VirtAddr::new(0xffff_c900_0000_0000);
    assert_eq!(built.xen.update_va_mapping(nowhere, word), Err(Errno::EINVAL));
    built.xen.update_va_mapping(high(spare(&built)), word).unwrap();
}

#[test]
fn a_page_that_is_no_table_is_simply_written_and_m2p_cannot_be() {
    let mut built = built();
    let frame = mfn(&built.xen, spare(&built));
    built.xen.update(&[MmuUpdate { ptr: frame.raw() << 12 | 8, val: 0x1234 }]).unwrap();
    assert_eq!(built.xen.probe(VirtAddr::new(high(spare(&built)).as_u64() + 8)), Ok(0x1234));
    let machphys = MmuUpdate { ptr: frame.raw() << 12 | 1, val: 5 };
    assert_eq!(built.xen.update(&[machphys]), Err(Stopped { done: 0, errno: Errno::ENOSYS }));
}

#[test]
fn shared_info_can_be_mapped_and_never_be_a_table() {
    let mut built = built();
    let frame = Mfn::new(built.start_info.shared_info >> 12);
    built.xen.update_va_mapping(high(spare(&built)), entry(frame, WRITABLE)).unwrap();
    assert_eq!(built.xen.pin(frame, Level::L1), Err(Errno::EINVAL));
    assert_eq!(built.xen.m2p(frame), None);
}

#[test]
fn free_memory_is_scrubbed_and_m2p_can_be_read_at_xens_address() {
    let built = built();
    assert_eq!(built.xen.probe(high(0)), Ok(0xc2c2_c2c2_c2c2_c2c2));
    let frame = mfn(&built.xen, 77);
    let at = VirtAddr::new(0xffff_8000_0000_0000 + frame.raw() * 8);
    assert_eq!(built.xen.probe(at), Ok(77));
    // Another domain's frame has that domain's number, which may be one of ours; a free frame has none.
    let foreign = built.xen.machine().foreign_at(Pfn::new(77));
    assert_eq!(built.xen.probe(VirtAddr::new(0xffff_8000_0000_0000 + foreign.raw() * 8)), Ok(77));
    let limit = built.xen.machine().limit();
    assert_eq!(built.xen.probe(VirtAddr::new(0xffff_8000_0000_0000 + limit.raw() * 8)), Ok(u64::MAX));
    assert!(built.xen.probe(VirtAddr::new(0xffff_8700_0000_0000)).is_err());
}
