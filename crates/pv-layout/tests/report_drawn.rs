//! What `revector report --format html` and `svg` show: each guest's picture, what was found, what was not used.

mod support;

use pv_layout::report::Format;
use support::report_of;

#[test]
fn a_page_has_a_picture_of_each_guest_with_what_was_found_about_it() {
    let report = report_of(&["seed", "xl-4.4-small"]);
    let page = Format::Html.show(&report).expect("a page can be written");
    assert_eq!(page.matches("<figure>").count(), report.scenes.len());
    assert!(
        page.contains("37.8 MiB of the P2M") && page.contains("allocated 16384 of 20480 bytes"),
        "{page}"
    );
    assert!(page.contains("<li>a ramdisk of at most 224 MiB (it has 263.5 MiB)</li>"), "{page}");
    assert!(!page.contains("<script"));
}

#[test]
fn a_drawing_is_of_one_guest_and_says_so_otherwise() {
    let drawing = Format::Svg.show(&report_of(&["seed"])).expect("one guest can be drawn");
    assert!(drawing.starts_with("<svg") && drawing.contains("0xffffffffa25c7000"), "{drawing}");
    let refused = |names| Format::Svg.show(&report_of(names)).expect_err("not one guest").to_string();
    assert!(refused(&["seed", "xl-4.4-small"]).contains("found 2: use --format html"));
}

#[test]
fn a_page_says_which_lines_could_not_be_used() {
    let page = Format::Html.show(&report_of(&["xl-4.17-cut-and-mixed"])).expect("a page can be written");
    assert!(page.contains("could not be used"), "{page}");
}

/// Only the crash of one domain is known, and another has no direct map: a picture of them would be invented.
#[test]
fn what_is_not_known_is_not_drawn() {
    for name in ["public/crash-l1tf", "public/pv-grub-console"] {
        let report = report_of(&[name]);
        let page = Format::Html.show(&report).expect("a page can be written");
        assert!(!page.contains("<figure>") && page.contains(&report.scenes[0].title), "{page}");
        assert!(Format::Svg.show(&report).is_err());
    }
}
