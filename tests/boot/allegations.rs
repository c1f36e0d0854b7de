//! start_info, page tables and lists that are false in random ways: the boot says so or is right, but never panics.
//!
//! A panic here would be a page fault, a lost count or an assertion in a real guest. "Right" is measured from outside:
//! what `parse` returned against what the model's builder really made, and after a boot that got to its end the whole
//! domain against the same (`support::checks`). Where nothing inside the domain shows what is false, or `verify=off`
//! says not to look, the boot must do what the builder says, and nothing else.

use crate::support::{boot, checks, toolstack};
use proptest::prelude::*;
use pv_memory::layout::Layout;
use xen::abi::{SIF_INITDOMAIN, SIF_MOD_START_PFN, StartInfo};
use xen::addr::{Mfn, Pfn, PfnRange};
use xen::start_info::{BootInfo, RamdiskPlace, Role};
use xen_model::{Builder, Built, Domain, Notes, P2mNote, Ramdisk, RamdiskNote};

const HIGH: u64 = 0xffff_ffff_8000_0000;

fn domain(builder: Builder) -> Domain {
    // Xen alone takes 32 MiB for the initial mapping, and the ramdisk's pages besides; GRUB has things of its own.
    let mib = if builder == Builder::Toolstack { 32 } else { 64 };
    Domain { builder, ramdisk: Some(Ramdisk::blank(10_000)), ..Domain::guest(mib) }
}

fn ramdisk_notes() -> impl Strategy<Value = RamdiskNote> {
    prop_oneof![Just(RamdiskNote::None), Just(RamdiskNote::ModStartPfn)]
}

fn builders() -> impl Strategy<Value = Builder> {
    prop::sample::select(Builder::ALL.to_vec())
}

fn lines() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "p2m=alias", "p2m=copy verify=off", "p2m=alias verify=off", "p2m=keep"])
}

/// Fields that are numbers.
fn field(info: &mut StartInfo, number: usize) -> &mut u64 {
    match number {
        0 => &mut info.nr_pages,
        1 => &mut info.shared_info,
        2 => &mut info.store_mfn,
        3 => &mut info.console_mfn,
        4 => &mut info.pt_base,
        5 => &mut info.nr_pt_frames,
        6 => &mut info.mfn_list,
        7 => &mut info.mod_start,
        _ => &mut info.mod_len,
    }
}

/// How a field becomes false.
#[derive(Clone, Copy, Debug)]
enum Lie {
    Value(u64),
    Add(u64),
    /// The value of another field.
    Other(usize),
    Bit(u32),
}

fn lie() -> impl Strategy<Value = Lie> {
    let values = vec![0, 1, 2, 4096, 1 << 27, 1 << 51, u64::MAX, u64::MAX - 4095, HIGH, HIGH + (16 << 20)];
    let steps = vec![1_u64, 4096, 8192, 1 << 21, 1 << 30, u64::MAX, u64::MAX - 4095, u64::MAX - 8191];
    prop_oneof![
        prop::sample::select(values).prop_map(Lie::Value),
        prop::sample::select(steps).prop_map(Lie::Add),
        (0_usize..9).prop_map(Lie::Other),
        (0_u32..64).prop_map(Lie::Bit),
    ]
}

fn tell(info: &mut StartInfo, number: usize, lie: Lie) {
    let other = |other| *field(&mut info.clone(), other);
    let value = match lie {
        Lie::Value(value) => value,
        Lie::Add(step) => other(number).wrapping_add(step),
        Lie::Other(field) => other(field),
        Lie::Bit(bit) => other(number) ^ 1 << bit,
    };
    *field(info, number) = value;
}

/// Rows that the library accepts are ordered, disjoint and within the domain; the gaps between are the rest.
fn layout_is_sound(info: &BootInfo) {
    let Ok(layout) = Layout::plan(info) else { return };
    let mut end = Pfn::ZERO;
    for row in layout.rows() {
        assert!(row.pages.start >= end && !row.pages.is_empty(), "{row}");
        end = row.pages.end;
    }
    assert!(end.raw() <= layout.nr_pages);
    let rows: u64 = layout.rows().map(|row| row.pages.pages()).sum();
    let gaps: u64 = layout.free().map(PfnRange::pages).sum();
    assert_eq!(rows + gaps, layout.nr_pages);
}

/// What was parsed is what start_info says, field by field, and a ring is the page whose frame it names.
fn parsed_as_given(info: &BootInfo, built: &Built) {
    let given = &built.start_info;
    let role = if given.flags & SIF_INITDOMAIN == 0 { Role::Guest } else { Role::InitialDomain };
    assert_eq!((info.role, info.nr_pages), (role, given.nr_pages));
    let list = (info.mfn_list.start.as_u64(), info.mfn_list.end_raw());
    assert_eq!(list, (given.mfn_list, given.mfn_list + given.nr_pages * 8));
    let tables = (info.page_tables.start.as_u64(), info.page_tables.pages());
    assert_eq!(tables, (given.pt_base, given.nr_pt_frames));
    let is_pfn = given.flags & SIF_MOD_START_PFN != 0;
    let ramdisk = info.ramdisk.map_or((0, 0), |ramdisk| match ramdisk.place {
        RamdiskPlace::Unmapped(pfn) if is_pfn => (pfn.raw(), ramdisk.bytes),
        RamdiskPlace::Mapped(at) if !is_pfn => (at.as_u64(), ramdisk.bytes),
        place => panic!("{place:?}, flags {:#x}", given.flags),
    });
    let has_one = given.mod_start != 0 && given.mod_len != 0;
    assert_eq!(ramdisk, if has_one { (given.mod_start, given.mod_len) } else { (0, 0) });
    let page = |mfn| built.xen.machine().pfn(Mfn::new(mfn)).filter(|_| role == Role::Guest);
    assert_eq!((info.store, info.console), (page(given.store_mfn), page(given.console_mfn)));
}

/// What the boot took for true, where it got to its end. Xen and the processor refuse a false place of list or tables,
/// so those are true; nothing refuses a false builder, length of the list or kind of ramdisk.
fn used_nothing_false(given: &StartInfo, built: &Built) {
    let original = &built.start_info;
    assert_eq!((given.pt_base, given.nr_pt_frames), (original.pt_base, original.nr_pt_frames));
    assert_eq!(given.mfn_list, original.mfn_list);
    assert!(given.nr_pages <= original.nr_pages, "{:#x} pages of {:#x}", given.nr_pages, original.nr_pages);
}

/// The domain after a boot that got to its end.
fn domain_is_right(built: &Built, line: &str) {
    if line.contains("keep") {
        checks::always(built);
    } else {
        checks::cleaned(built);
    }
}

/// The published P2M is the builder's but for one entry, which is what the builder was made to say. Where that entry is
/// one of the tree's own pages, the tree cannot be followed.
fn p2m_is_as_the_builder_wrote_it(built: &Built, builder: Builder, line: &str, entry: usize, word: u64) {
    let saved = match toolstack::map_p2m(&built.xen) {
        Ok(saved) => saved,
        Err(error) => return assert!(is_of_the_tree(builder, line, entry), "entry {entry}: {error}"),
    };
    for (number, found) in saved.p2m.iter().enumerate() {
        let original = built.xen.machine().mfn(Pfn::new(number as u64)).map(Mfn::raw);
        assert_eq!(Some(*found), if number == entry { Some(word) } else { original }, "entry {number}");
    }
}

/// Returns whether a page is one of the tree's, which this test leaves true.
fn is_of_the_tree(builder: Builder, line: &str, entry: usize) -> bool {
    let mut built = domain(builder).build().unwrap();
    boot(&mut built, line).unwrap();
    let saved = toolstack::map_p2m(&built.xen).unwrap();
    let page = built.xen.machine().mfn(Pfn::new(entry as u64)).unwrap();
    saved.leaves.contains(&page) || saved.directory.contains(&page)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn no_false_start_info_is_believed_or_makes_the_boot_panic(
        builder in builders(),
        note in ramdisk_notes(),
        line in lines(),
        lies in proptest::collection::vec((0_usize..9, lie()), 1..4),
        flags in prop_oneof![4 => Just(0_u32), 1 => any::<u32>()],
    ) {
        let notes = Notes { p2m: P2mNote::None, ramdisk: note };
        let mut built = Domain { notes, ..domain(builder) }.build().unwrap();
        let original = built.start_info;
        for (number, lie) in lies {
            tell(&mut built.start_info, number, lie);
        }
        built.start_info.flags ^= flags;
        if let Ok(info) = BootInfo::parse(&built.start_info, built.facts, &built.xen) {
            parsed_as_given(&info, &built);
            layout_is_sound(&info);
        }
        match boot(&mut built, line) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(()) => {
                let given = core::mem::replace(&mut built.start_info, original);
                used_nothing_false(&given, &built);
                built.start_info.nr_pages = given.nr_pages;
                domain_is_right(&built, line);
            }
        }
    }

    #[test]
    fn no_damaged_page_table_is_believed_or_makes_the_boot_panic(
        builder in builders(),
        line in lines(),
        table in 0_u64..11,
        index in 0_usize..512,
        bit in 0_u32..64,
    ) {
        let mut built = domain(builder).build().unwrap();
        let row = built.rows.tables;
        let frame = built.xen.machine().mfn(row.start.plus(table % row.pages())).unwrap();
        built.xen.frame_mut(frame)[index] ^= 1 << bit;
        // Most are found by the walk; what maps nothing, or what Xen would never have let in, by the code that writes
        // there.
        match boot(&mut built, line) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(()) => domain_is_right(&built, line),
        }
    }

    #[test]
    fn no_damaged_list_is_believed_or_makes_the_boot_panic(
        builder in builders(),
        line in lines(),
        entry in 0_usize..8192,
        word in prop_oneof![Just(0_u64), Just(u64::MAX), any::<u64>(), (0_u64..0x20_0000)],
    ) {
        let mut built = domain(builder).build().unwrap();
        let leaf = built.rows.list.start.plus(entry as u64 / 512);
        let frame = built.xen.machine().mfn(leaf).unwrap();
        built.xen.frame_mut(frame)[entry % 512] = word;
        match boot(&mut built, line) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            // Without a look at M2P there is nothing to compare with, and a page may be missing.
            Ok(()) if line.contains("verify=off") || word == u64::MAX => {
                p2m_is_as_the_builder_wrote_it(&built, builder, line, entry, word);
            },
            Ok(()) => domain_is_right(&built, line),
        }
    }
}
