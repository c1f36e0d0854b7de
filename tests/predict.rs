//! Two accounts of the builders' arithmetic, over random domains: the host command's and the model's.
//!
//! The host command wrote its own (`crates/pv-layout/src/predict`), for a second opinion; the model builds the domains that the
//! library's tests boot. Whatever one of them places, the other must place there too. Both are held to real builders
//! elsewhere: the boots of `make test-xen` compare the first with each toolstack's log.

use proptest::prelude::*;
use pv_layout::predict::domain::{self, Builder, Kernel, Placed, Plan, RamdiskPlace, Refusal};
use pv_layout::scene::{Kind, TableCounts};
use revector::addr::{PAGE_SIZE, PfnRange};
use revector::fake::{BuildError, Domain, ImageShape, Notes, P2mNote, Ramdisk, RamdiskNote, Rows};
use revector::xen::start_info::Role;

const HIGH: u64 = 0xffff_ffff_8000_0000;
const LIST_AT: u64 = 0x80_0000_0000;

/// The same domain, as the host command is told of it.
fn told(domain: &Domain) -> domain::Domain {
    let list_at = (domain.notes.p2m == P2mNote::InitP2m).then_some(LIST_AT);
    let ramdisk = match domain.notes.ramdisk {
        RamdiskNote::None => RamdiskPlace::Mapped,
        RamdiskNote::ModStartPfn => RamdiskPlace::Unmapped,
    };
    domain::Domain {
        builder: if domain.role == Role::Guest { Builder::Toolstack } else { Builder::Xen },
        pages: domain.pages,
        kernel: Kernel { list_at, ramdisk, ..Kernel::of_pages(domain.image.pages) },
        ramdisk: domain.ramdisk.map(Ramdisk::bytes),
    }
}

fn row(plan: &Plan, kind: Kind) -> Option<Placed> {
    plan.rows.iter().copied().find(|row| row.kind == kind)
}

/// What the two disagree on about one domain.
fn differences(domain: &Domain, plan: &Plan, rows: &Rows) -> Vec<String> {
    let pairs = [
        (Kind::Kernel, rows.image),
        (Kind::Ramdisk, rows.ramdisk),
        (Kind::P2m, rows.list),
        (Kind::StartInfo, rows.start_info),
        (Kind::Xenstore, rows.store),
        (Kind::Console, rows.console),
        (Kind::PageTables, rows.tables),
        (Kind::BootStack, rows.stack),
    ];
    let mut found: Vec<_> =
        pairs.into_iter().filter_map(|(kind, range)| differs(domain, kind, row(plan, kind), range)).collect();
    let (ours, theirs) = (plan.mapped_end, HIGH + rows.mapped_end.raw() * PAGE_SIZE);
    if ours != theirs {
        found.push(format!("end of the mapping: {ours:#x}, {theirs:#x}"));
    }
    let of_list: Option<u64> = plan.list_tables.map(|TableCounts(counts)| counts.iter().sum());
    if of_list.is_some_and(|tables| tables != rows.list_tables.pages()) {
        found.push(format!("tables of the list: {of_list:?}, {:?}", rows.list_tables));
    }
    found
}

/// An empty row and none are the same. What Xen does not map high lies behind the power of two of pages that it
/// allocates; the model puts it right behind the mapping, which makes no difference to a guest: only sizes are compared.
fn differs(domain: &Domain, kind: Kind, placed: Option<Placed>, range: PfnRange) -> Option<String> {
    let placed = placed.filter(|row| row.pages > 0);
    let ours = placed.map(|row| (row.pfn, row.pages));
    let theirs = (range.pages() > 0).then(|| (range.start.raw(), range.pages()));
    let is_high = placed.is_none_or(|row| row.address == Some(HIGH.wrapping_add(row.pfn * PAGE_SIZE)));
    let same = if domain.role == Role::InitialDomain && !is_high {
        ours.map(|row| row.1) == theirs.map(|row| row.1)
    } else {
        ours == theirs
    };
    (!same).then(|| format!("{kind:?}: {ours:x?}, {theirs:x?}"))
}

/// Memory around every power of two, where rounding goes wrong, and anywhere else.
fn memory_pages() -> impl Strategy<Value = u64> {
    let near_power =
        (13..27_u32, -3..=3_i64).prop_map(|(power, off)| (1_u64 << power).saturating_add_signed(off));
    prop_oneof![near_power, 0x1000..0x800_0000_u64]
}

fn any_domain() -> impl Strategy<Value = Domain> {
    let notes = (any::<bool>(), any::<bool>()).prop_map(|(list, ramdisk)| Notes {
        p2m: if list { P2mNote::InitP2m } else { P2mNote::None },
        ramdisk: if ramdisk { RamdiskNote::ModStartPfn } else { RamdiskNote::None },
    });
    let role = any::<bool>().prop_map(|guest| if guest { Role::Guest } else { Role::InitialDomain });
    let ramdisk = prop::option::of(prop_oneof![1..=20_000_u64, 1..=1_u64 << 30]);
    (memory_pages(), 1..0x4000_u64, notes, role, ramdisk).prop_map(|(pages, image, notes, role, ramdisk)| {
        Domain {
            pages,
            image: ImageShape { pages: image, text: 1, rodata: 0 },
            notes,
            role,
            ramdisk: ramdisk.map(Ramdisk::blank),
            ..Domain::guest(0)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn both_accounts_place_every_row_at_the_same_page(domain in any_domain()) {
        match (told(&domain).plan(), domain.rows()) {
            (Ok(plan), Ok(rows)) => prop_assert_eq!(differences(&domain, &plan, &rows), Vec::<String>::new()),
            (Err(Refusal::NoMemory { .. }), Err(BuildError::NoMemory { .. })) => {}
            (Err(Refusal::NoAddresses), Err(BuildError::NoAddresses)) => {}
            // Xen allocates a power of two of pages; the model asks for no more than it uses.
            (Err(Refusal::NoMemory { .. }), Ok(_)) if domain.role == Role::InitialDomain => {}
            (ours, theirs) => prop_assert!(false, "{ours:?}, {theirs:?}"),
        }
    }
}

#[test]
fn a_domain_that_one_account_is_told_wrongly_of_differs() {
    let domain = Domain { ramdisk: Some(Ramdisk::blank(5000)), ..Domain::guest(64) };
    let rows = domain.rows().expect("a guest of 64 MiB can be built");
    let plan = told(&domain).plan().expect("a guest of 64 MiB can be built");
    assert_eq!(differences(&domain, &plan, &rows), Vec::<String>::new());
    let larger = told(&Domain { image: ImageShape { pages: 301, text: 1, rodata: 0 }, ..domain.clone() });
    let plan = larger.plan().expect("a page more fits");
    assert!(differences(&domain, &plan, &rows).len() > 5);
}
