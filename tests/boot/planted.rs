//! Builders' mistakes, planted one at a time: the boot must find each, and name what is wrong.
//!
//! A boot that goes on after one of these reads the wrong memory as its P2M, or hands a page out twice. A boot that
//! stops without a name leaves its reader with addresses. What the model's builder gets wrong is `xen_model::Fault`.

use crate::support::boot;
use xen_model::{Builder, Domain, Fault, Notes, P2mNote, Ramdisk, RamdiskNote};

const NOTES: [Notes; 4] = [
    Notes { p2m: P2mNote::None, ramdisk: RamdiskNote::None },
    Notes { p2m: P2mNote::InitP2m, ramdisk: RamdiskNote::None },
    Notes { p2m: P2mNote::None, ramdisk: RamdiskNote::ModStartPfn },
    Notes::BOTH,
];

/// A domain with everything that a fault can be in.
fn domain(builder: Builder, notes: Notes) -> Domain {
    Domain { builder, notes, ramdisk: Some(Ramdisk::blank(5_000_001)), ..Domain::guest(300) }
}

/// A list that lies right after the image was nowhere else; the initial domain has no ring.
fn can_have(domain: &Domain, fault: Fault) -> bool {
    let is_apart = domain.notes.p2m == P2mNote::InitP2m;
    match fault {
        Fault::P2mFrameFewer => is_apart,
        Fault::RingInList => domain.builder != Builder::Xen,
        Fault::StaleList => is_apart || domain.notes.ramdisk == RamdiskNote::None,
        Fault::ListPageShort | Fault::TableFrameFewer | Fault::RamdiskInTable => true,
    }
}

/// What the message must name: any of these, because one fault can be reported in more than one way.
const fn names(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::ListPageShort => &["mfn_list", "P2M list", "phys2mach", "nr_p2m_frames"],
        Fault::P2mFrameFewer => &["nr_p2m_frames"],
        Fault::TableFrameFewer => &["nr_pt_frames"],
        Fault::RamdiskInTable => &["ramdisk", "mod_start"],
        Fault::RingInList => &["console.mfn", "console"],
        Fault::StaleList => &["mfn_list"],
    }
}

/// What the boot says of each domain with a fault, where that is not its name.
fn not_convicted(fault: Fault) -> Vec<String> {
    let mut missed = Vec::new();
    for (builder, notes) in Builder::ALL.iter().flat_map(|builder| NOTES.map(|notes| (*builder, notes))) {
        let right = domain(builder, notes);
        if !can_have(&right, fault) {
            continue;
        }
        let mut built = Domain { fault: Some(fault), ..right }.build().unwrap();
        let said = boot(&mut built, "").map_or_else(|error| error.to_string(), |()| "nothing".to_owned());
        if !names(fault).iter().any(|name| said.contains(name)) {
            missed.push(format!("{builder:?}, {notes:?}: {said}"));
        }
    }
    missed
}

/// Asserts that nothing was missed, a line for each that was.
fn convicted(fault: Fault) {
    let missed = not_convicted(fault);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Else the tests below would say nothing.
#[test]
fn without_a_fault_each_of_these_domains_boots() {
    for (builder, notes) in Builder::ALL.iter().flat_map(|builder| NOTES.map(|notes| (*builder, notes))) {
        let mut built = domain(builder, notes).build().unwrap();
        boot(&mut built, "").unwrap_or_else(|error| panic!("{builder:?}, {notes:?}: {error}"));
    }
}

#[test]
fn a_list_that_is_a_page_short_is_convicted() {
    convicted(Fault::ListPageShort);
}

#[test]
fn a_count_of_the_lists_pages_that_is_one_less_is_convicted() {
    convicted(Fault::P2mFrameFewer);
}

#[test]
fn a_count_of_page_tables_that_is_one_less_is_convicted() {
    convicted(Fault::TableFrameFewer);
}

#[test]
fn a_ramdisk_that_shares_a_frame_with_the_page_tables_is_convicted() {
    convicted(Fault::RamdiskInTable);
}

#[test]
fn a_ring_inside_the_list_is_convicted() {
    convicted(Fault::RingInList);
}

#[test]
fn a_list_that_is_where_it_was_once_is_convicted() {
    convicted(Fault::StaleList);
}
