//! A domain in which any number of fields lie: refused with one line, or laid out in rows that cannot collide.

use arbitrary::{Arbitrary, Result, Unstructured};
use pv_memory::layout::{Layout, Name, Row};
use xen::addr::{Pfn, PfnRange, VirtAddr, pages_for};
use xen::start_info::{BootInfo, RamdiskPlace};

use super::assert_one_line;
use super::domain::Domain;

/// Parses and lays out the domain that `data` describes.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(mut domain) = Domain::arbitrary(&mut u) else { return };
    assert_rows_hold(plan(&domain).as_ref().expect("a builder's own word is taken"));
    while !u.is_empty() && lie(&mut domain, &mut u).is_ok() {}
    if let Ok(layout) = plan(&domain) {
        assert_rows_hold(&layout);
    }
}

fn plan(domain: &Domain) -> std::result::Result<Layout, ()> {
    let info = BootInfo::parse(&domain.info, domain.facts, &domain.machine);
    let info = info.map_err(|error| assert_one_line(&error))?;
    Layout::plan(&info).map_err(|error| assert_one_line(&error))
}

/// Makes one field untrue: by a little, by pages, or altogether.
fn lie(domain: &mut Domain, u: &mut Unstructured<'_>) -> Result<()> {
    let Domain { info, facts, .. } = domain;
    let mut own = facts.start_info.as_u64();
    let mut flags = u64::from(info.flags);
    let fields = [
        &mut info.nr_pages,
        &mut info.shared_info,
        &mut flags,
        &mut info.store_mfn,
        &mut info.console_mfn,
        &mut info.pt_base,
        &mut info.nr_pt_frames,
        &mut info.mfn_list,
        &mut info.mod_start,
        &mut info.mod_len,
        &mut own,
    ];
    let field = u.choose_iter(fields)?;
    *field = match u.int_in_range(0..=3_u8)? {
        0 => field.wrapping_add_signed(i64::from(i8::arbitrary(u)?)),
        1 => field.wrapping_add_signed(i64::from(i16::arbitrary(u)?) << 12),
        2 => field.wrapping_add_signed(i64::arbitrary(u)? << 12),
        _ => u64::arbitrary(u)?,
    };
    info.flags = flags as u32;
    facts.start_info = VirtAddr::new_truncate(own);
    Ok(())
}

fn assert_rows_hold(layout: &Layout) {
    let mut before: Option<Row> = None;
    for row in layout.rows() {
        assert_one_line(&row);
        assert!(!row.pages.is_empty() && row.pages.end.raw() <= layout.nr_pages, "{row}");
        assert!(before.is_none_or(|before| before.pages.end <= row.pages.start), "{row}");
        before = Some(row);
    }
    let used: u64 = layout.rows().map(|row| row.pages.pages()).sum();
    let free: u64 = layout.free().map(|gap| gap.pages()).sum();
    assert_eq!(used + free, layout.nr_pages, "every page is used or free");
    if let Some(ramdisk) = layout.ramdisk
        && let RamdiskPlace::Unmapped(first) = ramdisk.place
    {
        let pages = PfnRange::new(first, pages_for(ramdisk.bytes));
        assert!(pages.end <= Pfn::new(layout.nr_pages), "{pages}");
        assert_eq!(layout.pages(Name::Ramdisk), pages);
    }
}
