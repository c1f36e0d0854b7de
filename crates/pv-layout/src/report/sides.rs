//! One side of a boot, for `rows`, which compares layouts, and `run`, which draws its own boot: the same reader,
//! without rules.

use super::{
    fact::Writer,
    join,
    layout_line::{Mark, Row},
    picture::{self, is_pretended},
    reader::Reader,
    record::{Placed, Record},
};
use crate::scene::{Kind, MapRange, PAGE, Scene};
use anyhow::Result;
use std::io::Read;

/// Which side is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum One {
    Toolstack,
    Xen,
    /// This project's guest.
    Guest,
}

/// What a side says of one boot.
#[derive(Debug, Default)]
pub(crate) struct SideLayout {
    pub(crate) rows: Vec<(String, Row)>,
    pub(crate) marks: Vec<(Mark, u64)>,
    /// Page tables of the initial mapping by level, L1 first.
    pub(crate) tables: [Option<u64>; 4],
}

/// What one side says, boot by boot.
pub(crate) fn one_side<S: AsRef<str>>(log: &[S], side: One) -> Vec<SideLayout> {
    let writer = match side {
        One::Toolstack => Writer::Toolstack,
        One::Xen => Writer::Xen,
        One::Guest => Writer::Revector,
    };
    records(log).iter().filter(|record| record.writer == writer).map(SideLayout::of).collect()
}

/// The scene on this project's guest's console; none if it died before it printed its rows.
#[must_use]
pub fn scene_of_run<S: AsRef<str>>(title: &str, console: &[S]) -> Option<Scene> {
    let has_rows = |record: &Record| record.writer == Writer::Revector && !record.rows.is_empty();
    let guests = join::guests(records(console).into_iter().filter(has_rows).collect());
    let mut scene = picture::scene(guests.last()?, None);
    scene.rows.sort_by_key(|row| row.pfn);
    title.clone_into(&mut scene.title);
    Some(scene)
}

/// The memory map that a log holds, the machine's if it is Xen's log: of several the first.
pub(crate) fn memory_map(name: &str, log: impl Read) -> Result<Vec<MapRange>> {
    let mut reader = Reader::new()?;
    reader.read(name, log)?;
    let records = reader.finish().0;
    let mut maps = records.iter().map(Record::memory_map).filter(|map| !map.is_empty());
    Ok(maps.next().map(<[MapRange]>::to_vec).unwrap_or_default())
}

/// A log in memory, read. Each line that is passed in is complete, the last one too.
fn records<S: AsRef<str>>(log: &[S]) -> Vec<Record> {
    let mut text = String::new();
    for line in log {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    let Ok(mut reader) = Reader::new() else { return Vec::new() };
    let _ = reader.read("log", text.as_bytes());
    reader.finish().0
}

impl SideLayout {
    fn of(record: &Record) -> Self {
        let marks = [(Mark::AllocEnd, record.alloc_end), (Mark::MappedEnd, record.mapped_end)];
        Self {
            rows: record.rows.iter().filter_map(|placed| row(record, placed)).collect(),
            marks: marks.into_iter().filter_map(|(mark, at)| Some((mark, at?))).collect(),
            tables: [0, 1, 2, 3].map(|level| record.tables.initial(level)),
        }
    }
}

/// A row in whole pages, if its pages are known; a list of its own place there, and without the tables after it.
fn row(side: &Record, placed: &Placed) -> Option<(String, Row)> {
    let of_list = Kind::of_name(&placed.name) == Kind::P2m && is_pretended(side, Kind::P2m, placed);
    let (start, pages) = match side.init_p2m.filter(|_| of_list) {
        Some(at) => (at, placed.pages.checked_sub(side.tables.of_list())?),
        None => (placed.start, placed.pages),
    };
    let end = start.checked_add(pages.checked_mul(PAGE)?)?;
    Some((placed.name.clone(), Row { start, end, pfn: placed.pfn?, pages }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{After, Run};

    const CONSOLE: [&str; 8] = [
        "[    0.002927] start_info: guest, 0x2000000 pages (131072 MiB)",
        "[    0.003710] layout: phys2mach    : 0xffffffff925c7000 -> 0xffffffffa25c7000  (pfn 0x125c7 + 0x10000 pages)",
        "[    0.003700] layout: kernel       : 0xffffffff81000000 -> 0xffffffff81e43000  (pfn 0x1000 + 0xe43 pages)",
        "[    0.003857] layout: virt_pgtab_end: 0xffffffffa2800000",
        "[    3.260024] revector: leaves moved from 0x1 -> 0x2 to a new list in the direct map",
        "[    4.117850] dump: after: 0xffffffff81000000-0xffffffff81e43000    14604K RW NX pte",
        "[    4.117877] dump: after: 0xffff8800225ca000-0xffff8800226e1000     1116K ro NX pte",
        "[    4.118964] dump: after: 0xffff8800226e1000-0xffff880032800000   263292K RW NX pte",
    ];

    #[test]
    fn a_boot_with_a_dump_shows_where_the_copy_is() {
        let scene = scene_of_run("a guest", &CONSOLE).unwrap();
        assert_eq!(scene.after, After::Copied(vec![Run { first: 0x2_2800, end: 0x3_2800 }]));
        assert_eq!((scene.pages, scene.mapped_end), (Some(0x200_0000), Some(0xffff_ffff_a280_0000)));
        let kinds: Vec<_> = scene.rows.iter().map(|row| row.kind).collect();
        assert_eq!((kinds, scene.title.as_str()), (vec![Kind::Kernel, Kind::P2m], "a guest"));
    }

    #[test]
    fn the_line_on_the_builder_is_no_count_of_pages() {
        for builder in [
            "Xen, by SIF_INITDOMAIN",
            "pv-shim, by SIF_PM_MASK in a guest's flags",
            "no mark, as libxenguest leaves none",
        ] {
            let line = format!("[    0.002931] start_info: builder: {builder}");
            let lines = [&[CONSOLE[0], &line], &CONSOLE[1..]].concat();
            assert_eq!(scene_of_run("a guest", &lines), scene_of_run("a guest", &CONSOLE));
        }
    }

    #[test]
    fn a_copy_that_the_dump_does_not_fit_is_somewhere() {
        let scene = scene_of_run("a guest", &CONSOLE[..7]).unwrap();
        assert_eq!(scene.after, After::Copied(Vec::new()));
    }

    #[test]
    fn the_other_strategies_are_recognized_and_a_dead_guest_has_no_scene() {
        let with = |line: &str| scene_of_run("", &[CONSOLE[1], line]).unwrap().after;
        assert_eq!(
            with("[ 1.0] revector: leaves moved from 1 -> 2 to the same frames in the direct map"),
            After::Aliased
        );
        for listed in [
            "leaves moved from 1 -> 2 to 0xffffea00000ca000: the same frames, published as a list",
            "leaves stay at 1 -> 2, published as a list",
            "leaves stay at 1 -> 2: mapped by large pages, which the toolstack cannot read as a list",
        ] {
            assert_eq!(with(&format!("[ 1.0] revector: {listed}")), After::Listed);
        }
        assert_eq!(with("[ 1.0] revector: p2m=keep: the P2M stays where the builder put it"), After::Kept);
        assert_eq!(with("Test result: ERROR"), After::Unknown);
        assert_eq!(scene_of_run("", &CONSOLE[..1]), None);
    }
}
