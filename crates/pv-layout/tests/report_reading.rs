//! How `pv_layout::report` reads: what it cannot use is named, and the same logs give the same bytes.

mod support;

use pv_layout::report::Format;
use support::report_of;

#[test]
fn what_is_cut_or_mixed_is_named_and_the_rest_is_used() {
    let report = report_of(&["xl-4.17-cut-and-mixed"]);
    assert_eq!(report.reading.unusable, 2, "{:?}", report.reading);
    assert!(report.scenes[0].rows.iter().all(|row| row.name != "phys2mach" && row.name != "xenstore"));
    assert!(report.scenes[0].rows.iter().any(|row| row.name == "boot stack"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for format in [Format::Term, Format::Json] {
        let once = || format.show(&report_of(&["guest-keep", "xl-4.14-seed"])).expect("it can be shown");
        assert_eq!(once(), once());
    }
}
