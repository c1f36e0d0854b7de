//! Two implementations of the builders' arithmetic, over random domains: the host command's and the model's.
//!
//! The host command wrote its own (`crates/pv-layout/src/predict`), for a second opinion; the model builds the domains
//! that the library's tests boot. Whatever one of them places, the other must place there too. Two implementations by
//! one author may share a mistake, so each is compared with real builders as well: here and in `builders` with what
//! those left, and in the boots of `make test-xen` the first with each toolstack's log.

use crate::captured;
use crate::handed_over::{self, Boot};
use proptest::prelude::*;
use pv_layout::predict::domain::{self, Builder, Kernel, Placed, Plan, RamdiskPlace, Refusal};
use pv_layout::scene::{Kind, TableCounts};
use xen::addr::{PAGE_SIZE, PfnRange};
use xen_model::{BuildError, Domain, ImageShape, Notes, P2mNote, Part, Ramdisk, RamdiskNote, Rows};

const HIGH: u64 = 0xffff_ffff_8000_0000;
const LIST_AT: u64 = 0x80_0000_0000;

fn builder(domain: &Domain) -> Builder {
    match domain.builder {
        xen_model::Builder::Toolstack => Builder::Toolstack,
        xen_model::Builder::Xen => Builder::Xen,
        xen_model::Builder::Shim => Builder::Shim,
        xen_model::Builder::Grub => Builder::Grub,
    }
}

/// Whether Xen's builder makes the domain, initial or in pv-shim.
const fn is_xens(domain: &Domain) -> bool {
    matches!(domain.builder, xen_model::Builder::Xen | xen_model::Builder::Shim)
}

/// The same domain, as the host command describes it.
fn described(domain: &Domain) -> domain::Domain {
    let list_at = (domain.notes.p2m == P2mNote::InitP2m).then_some(LIST_AT);
    let ramdisk = match domain.notes.ramdisk {
        RamdiskNote::None => RamdiskPlace::Mapped,
        RamdiskNote::ModStartPfn => RamdiskPlace::Unmapped,
    };
    domain::Domain {
        builder: builder(domain),
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
        (Kind::P2m, list(domain, rows)),
        (Kind::StartInfo, rows.start_info),
        (Kind::Xenstore, rows.store),
        (Kind::Console, rows.console),
        (Kind::PageTables, rows.tables),
        (Kind::BootStack, rows.stack),
    ];
    let mut found: Vec<_> =
        pairs.into_iter().filter_map(|(kind, range)| differs(kind, row(plan, kind), range)).collect();
    let (ours, theirs) = (plan.mapped_end, HIGH + rows.mapped_end.raw() * PAGE_SIZE);
    if ours != theirs {
        found.push(format!("end of the mapping: {ours:#x}, {theirs:#x}"));
    }
    let of_list: Option<u64> = plan.list_tables.map(|TableCounts(counts)| counts.iter().sum());
    let tables = rows.physmap.iter().filter(|piece| matches!(piece.part, Part::Table(_))).count() as u64;
    if of_list.is_some_and(|ours| ours != tables) {
        found.push(format!("tables of the list: {of_list:?}, {tables}"));
    }
    found
}

/// The list as one row. Between Xen's pieces of it are tables, which the host command does not place: it says where the
/// first page of either is, and how many the list has.
fn list(domain: &Domain, rows: &Rows) -> PfnRange {
    let mut runs = rows.list_runs();
    if is_xens(domain) && domain.notes.p2m == P2mNote::InitP2m {
        return PfnRange::new(rows.placed, runs.map(PfnRange::pages).sum());
    }
    runs.next().filter(|_| runs.next().is_none()).expect("one run")
}

/// An empty row and none are the same.
fn differs(kind: Kind, placed: Option<Placed>, range: PfnRange) -> Option<String> {
    let ours = placed.filter(|row| row.pages > 0).map(|row| (row.pfn, row.pages));
    let theirs = (range.pages() > 0).then(|| (range.start.raw(), range.pages()));
    (ours != theirs).then(|| format!("{kind:?}: {ours:x?}, {theirs:x?}"))
}

/// Xen gives up where less than three pages would be left besides the list and the tables that it has so far, which are
/// three at most; the host command asks for the list alone.
fn is_nearly_enough(domain: &Domain, plan: &Plan, needed: u64) -> bool {
    let end = plan.rows.last().map_or(0, |row| row.pfn + row.pages);
    is_xens(domain) && domain.notes.p2m == P2mNote::InitP2m && (1..=6).contains(&(needed - end))
}

/// Memory around every power of two, where rounding goes wrong, and anywhere else.
fn memory_pages() -> impl Strategy<Value = u64> {
    let near_power =
        (13..33_u32, -3..=3_i64).prop_map(|(power, off)| (1_u64 << power).saturating_add_signed(off));
    prop_oneof![near_power, 0x1000..0x800_0000_u64, 0x800_0000..1_u64 << 32]
}

fn any_domain() -> impl Strategy<Value = Domain> {
    let notes = (any::<bool>(), any::<bool>()).prop_map(|(list, ramdisk)| Notes {
        p2m: if list { P2mNote::InitP2m } else { P2mNote::None },
        ramdisk: if ramdisk { RamdiskNote::ModStartPfn } else { RamdiskNote::None },
    });
    let builder = prop::sample::select(xen_model::Builder::ALL.to_vec());
    let ramdisk = prop::option::of(prop_oneof![1..=20_000_u64, 1..=1_u64 << 30]);
    (memory_pages(), 1..0x4000_u64, notes, builder, ramdisk).prop_map(
        |(pages, image, notes, builder, ramdisk)| Domain {
            pages,
            image: ImageShape { pages: image, text: 1, rodata: 0 },
            notes,
            builder,
            ramdisk: ramdisk.map(Ramdisk::blank),
            ..Domain::guest(0)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn both_place_every_row_at_the_same_page(domain in any_domain()) {
        match (described(&domain).plan(), domain.rows()) {
            (Ok(plan), Ok(rows)) => prop_assert_eq!(differences(&domain, &plan, &rows), Vec::<String>::new()),
            (Err(Refusal::NoMemory { .. }), Err(BuildError::NoMemory { .. })) => {}
            (Err(Refusal::NoAddresses), Err(BuildError::NoAddresses)) => {}
            (Ok(plan), Err(BuildError::NoMemory { needed })) if is_nearly_enough(&domain, &plan, needed) => {}
            (ours, theirs) => prop_assert!(false, "{ours:?}, {theirs:?}"),
        }
    }
}

/// The host command's layouts of the domains that real builders made.
#[test]
fn the_host_command_places_what_real_builders_placed() {
    for boot in captured::boots() {
        placed_as_seen(boot.name, &boot.domain, &|name| boot.field(name));
    }
}

/// The same for the boots of `handed_over`, of four builders with each note; the rings' pages and the mapping's end are
/// known of these.
#[test]
fn the_host_command_places_what_four_real_builders_handed_over() {
    let boots = handed_over::boots();
    for builder in xen_model::Builder::ALL {
        for notes in [(false, false), (true, false), (false, true), (true, true)] {
            let notes = captured::notes(notes.0, notes.1);
            let is_one = |boot: &Boot| boot.domain.builder == builder && boot.domain.notes == notes;
            assert!(boots.iter().any(is_one), "{builder:?}, {notes:?}");
        }
    }
    for boot in boots {
        let Boot { name, domain, .. } = &boot;
        let image = domain.rows().unwrap_or_else(|error| panic!("{name}: {error:?}")).image;
        let real = boot.seen(image);
        let plan = placed_as_seen(name, domain, &|field| real.fields[field]);
        let ring = |kind| row(&plan, kind).map_or(u64::MAX, |row| row.pfn);
        assert_eq!((ring(Kind::Xenstore), ring(Kind::Console)), real.rings, "{name}");
        assert_eq!(plan.mapped_end, real.mapped_end(), "{name}");
        if domain.notes.p2m == P2mNote::None {
            assert_eq!(plan.tables, TableCounts(real.counts), "{name}");
        }
    }
}

/// Holds a prediction to start_info.
fn placed_as_seen(name: &str, domain: &Domain, field: &dyn Fn(&str) -> u64) -> Plan {
    let plan = described(domain).plan().unwrap_or_else(|error| panic!("{name}: {error}"));
    let pages = |kind| row(&plan, kind).map_or(0, |row| row.pages);
    let address = |kind| row(&plan, kind).and_then(|row| row.address).unwrap_or(0);
    let pfn = |kind| row(&plan, kind).map_or(0, |row| row.pfn);
    assert_eq!(address(Kind::PageTables), field("pt_base"), "{name}");
    assert_eq!(pages(Kind::PageTables), field("nr_pt_frames"), "{name}");
    assert_eq!(address(Kind::P2m), field("mfn_list"), "{name}");
    let is_pfn = field("flags") & 8 != 0;
    let ramdisk = if is_pfn { pfn(Kind::Ramdisk) } else { address(Kind::Ramdisk) };
    assert_eq!(ramdisk, field("mod_start"), "{name}");
    assert_eq!(pages(Kind::Ramdisk), field("mod_len").div_ceil(PAGE_SIZE), "{name}");
    if domain.notes.p2m == P2mNote::InitP2m {
        assert_eq!(pfn(Kind::P2m), field("first_p2m_pfn"), "{name}");
    }
    if let Some(TableCounts(tables)) = plan.list_tables {
        let frames = pages(Kind::P2m) + tables.iter().sum::<u64>();
        assert_eq!(frames, field("nr_p2m_frames"), "{name}");
    }
    plan
}

#[test]
fn a_domain_described_wrongly_to_one_side_differs() {
    let domain = Domain { ramdisk: Some(Ramdisk::blank(5000)), ..Domain::guest(64) };
    let rows = domain.rows().expect("a guest of 64 MiB can be built");
    let plan = described(&domain).plan().expect("a guest of 64 MiB can be built");
    assert_eq!(differences(&domain, &plan, &rows), Vec::<String>::new());
    let larger =
        described(&Domain { image: ImageShape { pages: 301, text: 1, rodata: 0 }, ..domain.clone() });
    let plan = larger.plan().expect("a page more fits");
    assert!(differences(&domain, &plan, &rows).len() > 5);
}
