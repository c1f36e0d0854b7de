//! What the entry needs of start_info: taken as builders write it, refused by the field's name otherwise.

use xen::Verdict;
use xen::abi::StartInfo;
use xen::addr::PAGE_SIZE;
use xen::area;
use xen::early::{ConsoleClaim, Early};
use xen::start_info::Role;
use xen_model::{Builder, Domain};

const MACHINE_BITS: u32 = 52;
const MOST_PAGES: u64 = 1 << 40;

fn guest() -> StartInfo {
    Domain::guest(64).build().unwrap().start_info
}

fn refused(damage: impl Fn(&mut StartInfo)) -> &'static str {
    let mut raw = guest();
    damage(&mut raw);
    Early::parse(&raw).unwrap_err().field
}

#[test]
fn what_a_builder_writes_is_taken() {
    let raw = guest();
    let early = Early::parse(&raw).unwrap();
    assert_eq!((early.role, early.nr_pages), (Role::Guest, 16384));
    assert_eq!(early.shared_info.raw() * PAGE_SIZE, raw.shared_info);
    assert_eq!(area::HIGH.as_u64() + early.root.raw() * PAGE_SIZE, raw.pt_base);
    let console = early.console.unwrap();
    assert_eq!((console.mfn.raw(), console.port.number()), (raw.console_mfn, raw.console_evtchn));
}

#[test]
fn a_ring_is_believed_only_where_the_tables_lead_to_its_frame() {
    let built = Domain::guest(64).build().unwrap();
    let claim = Early::parse(&built.start_info).unwrap().console.unwrap();
    let frame_at = |at| built.xen.mapping(at).map(|mapping| mapping.mfn);
    let console = claim.confirmed(&built.xen, frame_at).unwrap();
    assert_eq!((console.page(), console.port()), (built.rows.console.start, claim.port));
    // For another domain's frame M2P has a number that is one of ours; for Xen's own it has none.
    let machine = built.xen.machine();
    for mfn in [machine.foreign_at(console.page()), machine.limit()] {
        assert_eq!(ConsoleClaim { mfn, ..claim }.confirmed(&built.xen, frame_at), None);
    }
}

#[test]
fn the_initial_domain_has_no_ring_whatever_the_fields_hold() {
    let mut raw = Domain { builder: Builder::Xen, ..Domain::guest(64) }.build().unwrap().start_info;
    raw.console_mfn = 0x0000_0488_0000_0018;
    let early = Early::parse(&raw).unwrap();
    assert_eq!((early.role, early.console), (Role::InitialDomain, None));
}

#[test]
fn each_field_that_the_entry_uses_is_refused_by_its_name() {
    assert_eq!(refused(|raw| raw.magic[0] = b'X'), "magic");
    for pages in [0, MOST_PAGES + 1] {
        assert_eq!(refused(|raw| raw.nr_pages = pages), "nr_pages");
    }
    for machine in [0, 0x1234, 1 << MACHINE_BITS] {
        assert_eq!(refused(|raw| raw.shared_info = machine), "shared_info");
    }
    for port in [0, 4096, u32::MAX] {
        assert_eq!(refused(|raw| raw.console_evtchn = port), "console.evtchn");
    }
    for at in [0, 0x1000, area::HIGH.as_u64() + 8, u64::MAX] {
        assert_eq!(refused(|raw| raw.pt_base = at), "pt_base");
    }
}

#[test]
fn a_kernel_finds_the_command_line_that_its_domain_has() {
    let domain = Domain { command_line: "p2m=alias quiet", ..Domain::guest(64) };
    let run = domain.boot(|boot| match boot.command_line() {
        b"p2m=alias quiet" => Verdict::Success,
        _ => Verdict::Failure,
    });
    assert_eq!(run.verdict, Verdict::Success);
}
