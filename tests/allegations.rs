//! start_info and page tables that are false in random ways: the boot says so or is right, but never panics.
//!
//! A panic here would be a page fault, a lost count or an assertion in a real guest.

#[path = "support/mod.rs"]
mod support;

use proptest::prelude::*;
use revector::addr::{Pfn, PfnRange};
use revector::fake::{Built, Domain, Ramdisk};
use revector::mm::layout::Layout;
use revector::xen::abi::StartInfo;
use revector::xen::start_info::{BootInfo, Role};
use support::boot;

const HIGH: u64 = 0xffff_ffff_8000_0000;

fn domain(role: Role) -> Domain {
    // Xen alone takes 32 MiB for the initial mapping, and the ramdisk's pages besides.
    let mib = if role == Role::Guest { 32 } else { 64 };
    Domain { role, ramdisk: Some(Ramdisk::blank(10_000)), ..Domain::guest(mib) }
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Guest), Just(Role::InitialDomain)]
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
fn layout_is_sound(built: &Built) {
    let Ok(info) = BootInfo::parse(&built.start_info, built.facts, &built.xen) else { return };
    let Ok(layout) = Layout::plan(&info) else { return };
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn no_false_start_info_makes_the_boot_panic(
        role in roles(),
        line in lines(),
        lies in proptest::collection::vec((0_usize..9, lie()), 1..4),
        flags in prop_oneof![4 => Just(0_u32), 1 => any::<u32>()],
    ) {
        let mut built = domain(role).build().unwrap();
        for (number, lie) in lies {
            tell(&mut built.start_info, number, lie);
        }
        built.start_info.flags ^= flags;
        layout_is_sound(&built);
        if let Err(error) = boot(&mut built, line) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_damaged_page_table_makes_the_boot_panic(
        role in roles(),
        line in lines(),
        table in 0_u64..11,
        index in 0_usize..512,
        bit in 0_u32..64,
    ) {
        let mut built = domain(role).build().unwrap();
        let row = built.rows.tables;
        let frame = built.xen.machine().mfn(row.start.plus(table % row.pages())).unwrap();
        built.xen.frame_mut(frame)[index] ^= 1 << bit;
        // Most are found by the walk; what maps nothing, or what Xen would never have let in, by who writes there.
        if let Err(error) = boot(&mut built, line) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_damaged_list_makes_the_boot_panic(
        role in roles(),
        line in lines(),
        entry in 0_usize..8192,
        word in prop_oneof![Just(0_u64), Just(u64::MAX), any::<u64>(), (0_u64..0x20_0000)],
    ) {
        let mut built = domain(role).build().unwrap();
        let leaf = built.rows.list.start.plus(entry as u64 / 512);
        let frame = built.xen.machine().mfn(leaf).unwrap();
        built.xen.frame_mut(frame)[entry % 512] = word;
        if let Err(error) = boot(&mut built, line) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
