//! Boots that must not succeed: a false start_info, damaged page tables, too little memory, hypercalls that fail.
//!
//! Each ends with an error that names what is wrong; none with a panic.

use crate::support;
use crate::support::boot;
use pv_memory::error::MmError;
use pv_memory::frames::FrameError;
use pv_memory::layout::Name;
use pv_memory::walk::WalkError;
use revector::error::BootError;
use revector::stage::Stage;
use xen::Errno;
use xen::abi::StartInfo;
use xen::addr::{Mfn, Pfn, PfnRange, VirtAddr};
use xen::pte::Level;
use xen::verdict::Verdict;
use xen_model::{BuildError, Builder, Built, Domain, Notes, P2mNote, Ramdisk, RamdiskNote, Refusal};

const HIGH: u64 = 0xffff_ffff_8000_0000;

fn domain() -> Domain {
    Domain { ramdisk: Some(Ramdisk::blank(10_000)), ..Domain::guest(64) }
}

/// Boots with start_info changed; returns the error's text.
fn with_start_info(change: impl FnOnce(&mut StartInfo)) -> String {
    let mut built = domain().build().unwrap();
    change(&mut built.start_info);
    boot(&mut built, "").expect_err("a false start_info").to_string()
}

#[test]
fn each_false_field_of_start_info_is_named() {
    type Change = fn(&mut StartInfo);
    let cases: [(&str, Change); 20] = [
        ("start_info.magic", |info| info.magic[0] = b'X'),
        ("start_info.nr_pages", |info| info.nr_pages = 0),
        ("start_info.nr_pages", |info| info.nr_pages = (1 << 32) + 1),
        ("start_info.nr_pages", |info| info.nr_pages = u64::MAX),
        ("start_info.shared_info", |info| info.shared_info += 8),
        ("start_info.shared_info", |info| info.shared_info = 0),
        ("start_info.mod_start", |info| info.mod_start = 0x1000),
        ("start_info.mod_start", |info| info.mod_start = HIGH),
        ("start_info.mod_start", |info| info.flags |= 8),
        ("start_info.mod_len", |info| info.mod_len = u64::MAX),
        ("start_info.mfn_list", |info| info.mod_len = 40 << 20),
        ("start_info.mfn_list", |info| info.mfn_list += 1),
        ("start_info.mfn_list", |info| info.mfn_list = HIGH),
        ("start_info.mfn_list", |info| info.mfn_list = 0xffff_ffff_ffff_f000),
        ("start_info.store_mfn", |info| info.store_mfn = 1),
        ("start_info.console.mfn", |info| info.console_mfn = u64::MAX),
        ("start_info.pt_base", |info| info.pt_base = HIGH),
        ("start_info.pt_base", |info| info.pt_base = 0),
        ("start_info.nr_pt_frames", |info| info.nr_pt_frames = 3),
        ("start_info.nr_pt_frames", |info| info.nr_pt_frames = u64::MAX),
    ];
    for (number, (field, change)) in cases.into_iter().enumerate() {
        let text = with_start_info(change);
        assert!(text.starts_with(field), "case {number}: {text}");
    }
}

#[test]
fn fields_that_are_plausible_alone_but_not_together_are_refused() {
    for (expected, change) in [
        ("console starts inside", (|info| info.console_mfn = info.store_mfn) as fn(&mut StartInfo)),
        ("page tables", |info| info.pt_base += 0x1000_0000),
        ("page tables starts inside", |info| info.pt_base -= 0x1000),
        ("nr_pt_frames) read-only", |info| info.nr_pt_frames += 1),
        ("nr_pt_frames) read-only", |info| info.nr_pt_frames -= 1),
        ("a page table is pfn 0x0", |info| info.pt_base += 0x1000),
    ] {
        let text = with_start_info(change);
        assert!(text.contains(expected), "expected {expected}: {text}");
    }
}

#[test]
fn a_list_where_something_else_belongs_or_nothing_can_be_is_refused() {
    let notes = Notes { p2m: P2mNote::InitP2m, ramdisk: RamdiskNote::None };
    let [direct_map, its_last_slot] = [0xffff_8800_0000_0000, 0xffff_97ff_ffff_f000];
    let [xen, vmalloc] = [0xffff_8000_0000_0000, 0xffff_c900_0000_0000];
    for at in [xen, direct_map, its_last_slot, vmalloc, 0x8000_0000_0000, 0x80_0000_0001] {
        let mut built = Domain { notes, ..domain() }.build().unwrap();
        built.start_info.mfn_list = at;
        let text = boot(&mut built, "").unwrap_err().to_string();
        assert!(text.starts_with("start_info.mfn_list"), "{at:#x}: {text}");
    }
}

#[test]
fn a_domain_larger_than_the_direct_map_is_refused() {
    for pages in [(1 << 32) + 1, 17 << 28, 1 << 40] {
        let mut built = domain().build().unwrap();
        built.start_info.nr_pages = pages;
        let error = boot(&mut built, "").unwrap_err();
        assert_eq!((error.verdict(), error.stage()), (Verdict::Skip, Stage::StartInfo));
        let text = error.to_string();
        assert!(
            text.starts_with("start_info.nr_pages: expected 2^32 pages (16 TiB) or fewer, found 0x"),
            "{text}"
        );
        let limit = "this kernel cannot do more: its direct map ends there; give the domain 16 TiB or less";
        assert!(text.ends_with(limit), "{text}");
        assert!(!text.contains("builder"), "{text}");
    }
    // What no domain can have is the builder's own mistake.
    for pages in [0, u64::MAX, (1 << 40) + 1] {
        let mut built = domain().build().unwrap();
        built.start_info.nr_pages = pages;
        let error = boot(&mut built, "").unwrap_err();
        assert_eq!(error.verdict(), Verdict::Failure);
        assert!(error.to_string().contains("the domain builder is at fault"), "{error}");
    }
}

/// Changes one L1 entry of the builder's; returns the walk's error.
fn with_entry(at: u64, change: impl FnOnce(&Built, u64) -> u64) -> WalkError {
    let mut built = domain().build().unwrap();
    let at = VirtAddr::new(at);
    let table = built.xen.table_at(at, Level::L1).unwrap();
    let index = Level::L1.index(at);
    let word = change(&built, built.xen.frame(table)[index]);
    built.xen.frame_mut(table)[index] = word;
    match boot(&mut built, "") {
        Err(BootError::Walk(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_damage_to_page_tables_has_its_own_error() {
    let rows = domain().rows().unwrap();
    let address = |pfn: Pfn| HIGH + pfn.raw() * 4096;
    let stack = address(rows.stack.start);
    assert_eq!(with_entry(stack, |_, _| 0), WalkError::Hole { at: VirtAddr::new(stack) });
    let other =
        |built: &Built, word: u64| word & 0xfff | built.xen.machine().mfn(Pfn::new(3)).unwrap().raw() << 12;
    let wrong = WalkError::WrongPage {
        at: VirtAddr::new(stack),
        expected: rows.stack.start,
        of: Some(Name::BootStack),
        found: Some(Pfn::new(3)),
    };
    assert_eq!(with_entry(stack, other), wrong);
    // Another domain's frame is no page of this one, whatever number it has there.
    for number in [rows.stack.start, Pfn::new(3)] {
        let foreign =
            |built: &Built, word: u64| word & 0xfff | built.xen.machine().foreign_at(number).raw() << 12;
        match with_entry(stack, foreign) {
            WalkError::NotListed { pfn, .. } => assert_eq!((pfn, number), (rows.stack.start, pfn)),
            other => assert!(matches!(other, WalkError::WrongPage { found: None, .. }), "{other}"),
        }
    }
    let table = address(rows.tables.start);
    assert!(matches!(with_entry(table, |_, word| word | 2), WalkError::WrongRight { .. }));
    assert!(matches!(with_entry(stack, |_, word| word & !2), WalkError::WrongRight { .. }));
    assert!(matches!(with_entry(table, |_, _| 0), WalkError::Unreadable(MmError::NotMapped { .. })));
}

#[test]
fn tables_that_end_early_and_tables_that_lead_outside_have_errors_of_their_own() {
    let rows = domain().rows().unwrap();
    let damage = |level: Level, word: fn(&Built) -> u64| {
        let mut built = domain().build().unwrap();
        let at = VirtAddr::new(HIGH + (rows.mapped_end.raw() - 1) * 4096);
        let table = built.xen.table_at(at, level).unwrap();
        let word = word(&built);
        built.xen.frame_mut(table)[level.index(at)] = word;
        boot(&mut built, "").unwrap_err()
    };
    let short = damage(Level::L2, |_| 0);
    assert!(matches!(short, BootError::Walk(WalkError::Count { .. })), "{short}");
    let free = damage(Level::L2, |built| built.xen.machine().mfn(Pfn::new(5)).unwrap().raw() << 12 | 7);
    assert!(matches!(free, BootError::Walk(WalkError::TableOutside { .. })), "{free}");
    let large = damage(Level::L2, |built| built.xen.machine().mfn(Pfn::new(512)).unwrap().raw() << 12 | 0x87);
    assert!(matches!(large, BootError::Walk(WalkError::Unreadable(MmError::StrangeTable { .. }))), "{large}");
}

#[test]
fn a_p2m_entry_that_m2p_contradicts_ends_the_boot_before_anything_moves() {
    let mut built = domain().build().unwrap();
    let leaf = built.xen.machine().mfn(built.rows.list.start.plus(20)).unwrap();
    built.xen.frame_mut(leaf).swap(100, 101);
    let error = boot(&mut built, "").unwrap_err();
    assert_eq!(error.verdict(), Verdict::Failure);
    assert!(error.to_string().contains("first wrong: pfn 0x2864"), "{error}");
    assert!(built.xen.probe_high_list());
}

/// Every change of a table is addressed by its frame, the root's first: the list alone is not enough.
#[test]
fn a_list_that_names_another_frame_for_the_root_ends_the_boot_before_any_hypercall() {
    for other in [1, 2, 0x2000] {
        let mut built = domain().build().unwrap();
        let root = built.rows.tables.start;
        let leaf = built.xen.machine().mfn(built.rows.list.start.plus(root.raw() / 512)).unwrap();
        let word = built.xen.machine().mfn(Pfn::new(root.raw() + other)).unwrap().raw();
        let before = built.xen.issued();
        built.xen.frame_mut(leaf)[root.raw() as usize % 512] = word;
        let error = boot(&mut built, "verify=off").unwrap_err();
        assert!(matches!(error, BootError::Walk(_)), "{error}");
        assert_eq!(built.xen.issued(), before);
    }
}

/// Whether the list is still where the builder put it.
trait ListInPlace {
    fn probe_high_list(&self) -> bool;
}

impl ListInPlace for xen_model::Xen {
    fn probe_high_list(&self) -> bool {
        let at = VirtAddr::new(HIGH + domain().rows().unwrap().list.start.raw() * 4096);
        self.mapping(at).is_some()
    }
}

#[test]
fn too_little_memory_is_refused_by_the_builder_and_the_smallest_domain_that_it_builds_boots() {
    for builder in [Builder::Toolstack, Builder::Xen] {
        let sized = |pages| Domain { pages, builder, ..domain() };
        let smallest = (0x1000..).find(|pages| sized(*pages).rows().is_ok()).unwrap();
        assert!(
            matches!(sized(smallest - 1).build(), Err(BuildError::NoMemory { needed }) if needed == smallest)
        );
        for line in ["p2m=copy", "p2m=alias"] {
            let mut built = sized(smallest).build().unwrap();
            boot(&mut built, line).unwrap();
            support::checks::cleaned(&built);
        }
    }
}

#[test]
fn a_domain_that_is_nearly_all_holes_boots() {
    let domain = Domain { ramdisk: None, ..Domain::guest(16 * 1024) };
    let end = domain.rows().unwrap().mapped_end;
    let holes = vec![PfnRange::between(end, Pfn::new(domain.pages))];
    let mut built = Domain { holes, ..domain }.build().unwrap();
    boot(&mut built, "").unwrap();
    support::checks::cleaned(&built);
}

#[test]
fn memory_that_ends_during_the_move_is_an_error_with_what_to_give() {
    let mut planted = support::stages::plant(&domain());
    let _ = support::stages::drain(&mut planted.frames, &planted.tables);
    let failed = planted.revector().unwrap_err();
    assert_eq!(failed.error, MmError::Frames(FrameError::Exhausted { wanted: 32, free: 0 }));
    assert!(failed.error.to_string().ends_with("give the domain 1 MiB more"));
}

#[test]
fn every_hypercall_of_a_boot_may_fail_and_the_boot_ends_with_an_error_that_names_it() {
    let apart = |builder| Domain { builder, notes: Notes::BOTH, ..domain() };
    for domain in [domain(), apart(Builder::Toolstack), apart(Builder::Xen)] {
        for line in ["p2m=copy", "p2m=alias", "p2m=keep"] {
            each_hypercall_refused(&domain, line);
        }
    }
}

fn each_hypercall_refused(domain: &Domain, line: &str) {
    let mut built = domain.build().unwrap();
    boot(&mut built, line).unwrap();
    assert!(built.xen.issued() > 10, "{} hypercalls that can be refused", built.xen.issued());
    for hypercall in 0..built.xen.issued() {
        for (element, errno) in
            [(0, Errno::EINVAL), (1, Errno::ENOMEM), (70, Errno::EFAULT), (usize::MAX, Errno::EINVAL)]
        {
            let mut built = domain.build().unwrap();
            built.xen.refuse(Refusal { hypercall, element, errno });
            let error = boot(&mut built, line).expect_err("a refused hypercall");
            let text = error.to_string();
            assert!(text.contains("mmu_update: ") || text.contains("mmuext_op: "), "{text}");
            assert!(text.ends_with(&errno.to_string()), "{text}");
            assert_eq!(error.verdict(), Verdict::Failure);
        }
    }
}

#[test]
fn a_module_whose_init_fails_is_unloaded_and_named() {
    let mut built = domain().build().unwrap();
    built.xen.answer([-3]);
    let error = boot(&mut built, "").unwrap_err();
    assert_eq!(error, BootError::Init("hello".to_owned(), -3));
    assert_eq!(built.xen.called().len(), 1);
}

#[test]
fn an_initial_domain_needs_no_rings() {
    let mut built = Domain { builder: Builder::Xen, ..domain() }.build().unwrap();
    assert_eq!(built.start_info.store_mfn, 0);
    built.start_info.console_mfn = Mfn::new(0x1234_5678_9abc).raw();
    boot(&mut built, "").unwrap();
}
