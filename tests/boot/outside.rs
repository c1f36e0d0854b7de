//! What the toolstack finds of the P2M when the boot is over, and the guest's digest of it.
//!
//! The toolstack's side is its own walk (`support::toolstack`). What the selftests `lost-leaf` and `twice-named-leaf`
//! publish must show there, and nowhere in the domain's own tree.

use crate::support::{stages::moved, toolstack};
use pv_memory::p2m::Strategy;
use pv_memory::p2m::digest::Digest;
use pv_memory::p2m::misname::WrongFrame;
use pv_memory::p2m::verify::Verify;
use xen::addr::{Pfn, PfnRange};
use xen_model::Domain;

const PAGES: u64 = 65 * 256 + 3;
const HOLE: PfnRange = PfnRange::new(Pfn::new(0x2000), 700);

fn domain() -> Domain {
    Domain { pages: PAGES, holes: vec![HOLE], ..Domain::guest(65) }
}

/// Counts and ends of what the toolstack found, without the sum: two other tests have a number for that.
fn found(p2m: &[u64]) -> Digest {
    let present: Vec<_> =
        (0..).map(Pfn::new).zip(p2m).filter(|entry| *entry.1 != u64::MAX).map(|entry| entry.0).collect();
    Digest {
        present: present.len() as u64,
        missing: (p2m.len() - present.len()) as u64,
        first: present.first().copied(),
        last: present.last().copied(),
        sum: 0,
    }
}

#[test]
fn the_digest_counts_what_the_toolstack_finds_after_either_move() {
    for strategy in [Strategy::Copy, Strategy::Alias] {
        let mut world = moved(&domain(), strategy);
        let before = world.p2m.digest(world.tables.window(), &world.built.xen);
        world.clean();
        let after = world.p2m.digest(world.tables.window(), &world.built.xen);
        let saved = toolstack::map_p2m(&world.built.xen).unwrap();
        assert_eq!(before, after);
        assert_eq!(Digest { sum: 0, ..after }, found(&saved.p2m));
        assert_eq!((after.present, after.missing), (PAGES - 700, 700));
    }
}

#[test]
fn a_wrong_frame_misleads_the_toolstack_and_is_found_by_verification_but_the_domain_is_right() {
    for wrong in [WrongFrame::LeafBefore, WrongFrame::SharedMissing] {
        let mut world = moved(&domain(), Strategy::Copy);
        let right = toolstack::map_p2m(&world.built.xen).unwrap().p2m;
        let digest = world.p2m.digest(world.tables.window(), &world.built.xen);
        let pages = world.p2m.misname(world.tables.window(), &mut world.built.xen, wrong).unwrap();
        assert_eq!(pages, PfnRange::new(Pfn::new(512), 512));
        let window = world.tables.window();
        assert_eq!(world.p2m.digest(window, &world.built.xen), digest);
        assert!(!world.p2m.verify(&world.tables, &world.built.xen, Verify::Full).is_good());
        let read = toolstack::map_p2m(&world.built.xen).unwrap().p2m;
        let expected =
            if wrong == WrongFrame::SharedMissing { [u64::MAX; 512].as_slice() } else { &right[..512] };
        assert_eq!(&read[512..1024], expected);
        assert!(read[..512] == right[..512] && read[1024..] == right[1024..]);
    }
}
