//! Checks that every picture is readable: well-formed, nothing cut, no label on another.

use super::{
    Page,
    canvas::{Canvas, Frame},
    html,
    picture::{Form, Headline, picture},
    samples, svg,
};
use crate::finding::{Finding, Severity};
use crate::scene::{After, Kind, MapRange, ModuleArea, Row, Run, Scene};
use proptest::prelude::*;

/// What is wrong with a picture; nothing, if it is good.
fn complaints(canvas: &Canvas) -> Vec<String> {
    let outside = |frame: &Frame| {
        frame.x0 < 0
            || frame.y0 < 0
            || frame.x1 > canvas.width
            || frame.y1 > canvas.height
            || frame.x1 < frame.x0
    };
    let mut found: Vec<_> = canvas
        .frames()
        .iter()
        .filter(|frame| outside(frame))
        .map(|frame| format!("{frame:?} is outside"))
        .collect();
    let labels = canvas.labels();
    for (index, (one, text)) in labels.iter().enumerate() {
        for (other, more) in &labels[..index] {
            if one.x0 < other.x1 && other.x0 < one.x1 && one.y0 < other.y1 && other.y0 < one.y1 {
                found.push(format!("'{text}' is on '{more}'"));
            }
        }
    }
    found
}

/// Draws the scene in every form, and parses what comes out.
fn check(scene: &Scene) -> Vec<String> {
    let mut found = complaints(&picture(scene, Form::Wide, Headline::Drawn));
    found.extend(complaints(&picture(scene, Form::Narrow, Headline::Elsewhere)));
    let finding = Finding {
        severity: Severity::Problem,
        title: scene.title.clone(),
        detail: "<&>".to_owned(),
        cures: vec![scene.title.clone()],
        guest: 0,
    };
    let page = html(&[Page { scene: scene.clone(), findings: vec![finding] }]);
    for text in [svg(scene), well_formed(&page)] {
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
        found.extend(
            roxmltree::Document::parse_with_options(&text, options).err().map(|error| error.to_string()),
        );
    }
    found
}

/// HTML has two kinds of element without an end; all else in the page is XML.
fn well_formed(page: &str) -> String {
    page.lines()
        .map(|line| if line.starts_with("<meta") { line.replace("\">", "\"/>") } else { line.to_owned() })
        .map(|line| line + "\n")
        .collect()
}

#[test]
fn every_sample_is_well_formed_and_nothing_in_it_overlaps_or_is_cut() {
    for (name, scene) in samples::all() {
        assert_eq!(check(&scene), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn two_labels_in_one_place_and_a_shape_outside_are_noticed() {
    use super::canvas::{Align, Face};
    let mut canvas = Canvas::new(100);
    canvas.height = 100;
    canvas.text((10, 50), Align::Start, Face::Plain, "one");
    assert!(complaints(&canvas).is_empty());
    canvas.text((12, 52), Align::Start, Face::Plain, "two");
    canvas.rect(Frame::new(90, 90, 101, 95), "ram", "");
    assert_eq!(complaints(&canvas).len(), 2);
}

#[test]
fn the_357a3cfb_picture_shows_its_overlap_and_its_addresses_exactly() {
    let text = svg(&samples::guest_357a3cfb(After::Copied(vec![Run { first: 0x2_2800, end: 0x3_2800 }])));
    for expected in [
        ">37.8 MiB<",
        ">0xffffffff925c7000<",
        ">0xffffffffa0000000<",
        ">0xffffffffa25c7000<",
        ">0xffff880022800000<",
        "class=\"hatch\"",
        "class=\"way\"",
        "<title id=",
        "37.8 MiB of the P2M and 1.1 MiB of other rows",
    ] {
        assert!(text.contains(expected), "{expected}");
    }
}

#[test]
fn a_guest_without_collision_has_no_hatching_and_one_with_it_has() {
    let hatched = |wanted: &str| {
        let (_, scene) = samples::all().into_iter().find(|(name, _)| *name == wanted).unwrap();
        svg(&scene).contains("class=\"hatch\"")
    };
    assert!(!hatched("tiny") && !hatched("list-elsewhere") && !hatched("kaslr"));
    assert!(hatched("guest-kept") && hatched("huge"));
}

#[test]
fn the_same_scene_gives_the_same_bytes() {
    let scene = || samples::guest_357a3cfb(After::Aliased);
    assert_eq!(svg(&scene()), svg(&scene()));
    let page = || html(&[Page { scene: scene(), findings: Vec::new() }]);
    assert_eq!(page(), page());
}

#[test]
fn names_in_a_page_of_several_pictures_are_used_once() {
    let pages: Vec<_> =
        samples::all().into_iter().map(|(_, scene)| Page { scene, findings: Vec::new() }).collect();
    let page = html(&pages);
    let mut ids: Vec<_> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert!(all > 30 && !page.contains("<script"));
}

/// Writes every sample into a folder, to be looked at:
/// `REVECTOR_PICTURES=some/folder cargo test pictures -- --ignored`.
#[test]
#[ignore = "writes files, for people"]
fn pictures() {
    let folder = std::path::PathBuf::from(std::env::var("REVECTOR_PICTURES").unwrap());
    for (name, scene) in samples::all() {
        std::fs::write(folder.join(format!("{name}.svg")), svg(&scene)).unwrap();
        let page = html(&[Page { scene, findings: Vec::new() }]);
        std::fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
}

const KINDS: [Kind; 9] = [
    Kind::Kernel,
    Kind::Ramdisk,
    Kind::P2m,
    Kind::StartInfo,
    Kind::Xenstore,
    Kind::Console,
    Kind::PageTables,
    Kind::BootStack,
    Kind::Other,
];

/// Numbers where things go wrong, and any others.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..0x4_0000_u64,
        Just(0xffff_ffff_8000_0000),
        0xffff_ffff_8000_0000..0xffff_ffff_c000_0000_u64,
        any::<u64>(),
        Just(u64::MAX)
    ]
}

fn row() -> impl Strategy<Value = Row> {
    (0..KINDS.len(), any::<String>(), prop::option::of(number()), number(), prop::option::of(number()))
        .prop_map(|(kind, name, pfn, pages, address)| Row { kind: KINDS[kind], name, pfn, pages, address })
}

fn run() -> impl Strategy<Value = Run> {
    (number(), number()).prop_map(|(first, pages)| Run { first, end: first.saturating_add(pages) })
}

fn after() -> impl Strategy<Value = After> {
    prop_oneof![
        Just(After::Unknown),
        Just(After::Kept),
        Just(After::Aliased),
        Just(After::Listed),
        prop::collection::vec(run(), 0..6).prop_map(After::Copied)
    ]
}

fn any_scene() -> impl Strategy<Value = Scene> {
    let map =
        (number(), number(), any::<String>()).prop_map(|(start, end, kind)| MapRange { start, end, kind });
    let rows = prop::collection::vec(row(), 0..30);
    let ends = (prop::option::of(number()), prop::option::of(number()), prop::option::of(number()));
    let area = (number(), number()).prop_map(|(start, end)| ModuleArea { start, end });
    (any::<String>(), rows, ends, area, prop::collection::vec(map, 0..8), after()).prop_map(
        |(title, rows, (pages, alloc_end, mapped_end), area, memory_map, after)| Scene {
            title,
            pages,
            rows,
            alloc_end,
            mapped_end,
            tables: None,
            area,
            memory_map,
            after,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_scene_is_well_formed_and_nothing_in_it_overlaps_or_is_cut(scene in any_scene()) {
        prop_assert_eq!(check(&scene), Vec::<String>::new());
    }
}
