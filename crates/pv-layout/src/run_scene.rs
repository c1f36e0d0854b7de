//! The scene of a boot of ours, from its own console: what `revector run --report` draws.
//!
//! Only [`scene_of_run`] is for other files: `run` calls it, and nothing else knows how a scene comes from a log.

use crate::{
    rows::Layout,
    scene::{After, DIRECT, Kind, ModuleArea, PAGE, Row, Scene},
};

const KINDS: [(&str, Kind); 8] = [
    ("kernel", Kind::Kernel),
    ("ramdisk", Kind::Ramdisk),
    ("phys2mach", Kind::P2m),
    ("start info", Kind::StartInfo),
    ("xenstore", Kind::Xenstore),
    ("console", Kind::Console),
    ("page tables", Kind::PageTables),
    ("boot stack", Kind::BootStack),
];

/// The scene that a guest's console tells; none if it died before it told its rows.
pub fn scene_of_run<S: AsRef<str>>(title: &str, console: &[S]) -> Option<Scene> {
    let layout = Layout::of_guest(console);
    if layout.is_empty() {
        return None;
    }
    let [alloc_end, mapped_end] = layout.ends();
    let mut rows: Vec<Row> = layout.rows().map(|(name, row)| scene_row(name, row)).collect();
    rows.sort_by_key(|row| row.pfn);
    let list = rows.iter().find(|row| row.kind == Kind::P2m).map_or(0, |row| row.pages);
    Some(Scene {
        title: title.to_owned(),
        pages: pages(console),
        rows,
        alloc_end,
        mapped_end,
        tables: layout.tables(),
        area: ModuleArea::CLASSIC,
        memory_map: Vec::new(),
        after: after(console, mapped_end, list),
    })
}

fn scene_row(name: &str, (pfn, pages, address): (u64, u64, u64)) -> Row {
    let kind = KINDS.iter().find(|(known, _)| *known == name).map_or(Kind::Other, |(_, kind)| *kind);
    Row { kind, name: name.to_owned(), pfn: Some(pfn), pages, address: Some(address) }
}

/// Reads `start_info: guest, 0x2000000 pages (131072 MiB)`.
fn pages<S: AsRef<str>>(console: &[S]) -> Option<u64> {
    let told =
        behind(console, "] start_info: ").find_map(|rest| rest.split_once(" pages (")?.0.rsplit_once("0x"));
    u64::from_str_radix(told?.1, 16).ok()
}

/// What became of the P2M, in the guest's words.
fn after<S: AsRef<str>>(console: &[S], mapped_end: Option<u64>, list: u64) -> After {
    for text in behind(console, "] revector: ") {
        if text.starts_with("p2m=keep") {
            return After::Kept;
        }
        if text.contains("to the same frames in the direct map") {
            return After::Aliased;
        }
        if text.contains("to a new list in the direct map") {
            return After::Copied(copied_to(console, mapped_end, list));
        }
    }
    After::Unknown
}

/// The new list's pages, if the console dumps the direct map (`loglevel=debug`): nothing else of the size of a list is
/// mapped behind the initial mapping. No range if the sizes differ.
fn copied_to<S: AsRef<str>>(console: &[S], mapped_end: Option<u64>, list: u64) -> Vec<(u64, u64)> {
    let Some(first) = mapped_end.and_then(|end| end.checked_sub(crate::scene::HIGH)) else {
        return Vec::new();
    };
    let first = first / PAGE;
    let mut found: Vec<(u64, u64)> = Vec::new();
    for (start, end) in behind(console, "] dump: after: ").filter_map(dumped) {
        let start = start.max(first);
        match found.last_mut() {
            _ if start >= end => {}
            Some((before, pages)) if *before + *pages == start => *pages += end - start,
            _ => found.push((start, end - start)),
        }
    }
    if found.iter().map(|(_, pages)| pages).sum::<u64>() == list { found } else { Vec::new() }
}

/// Reads `0xffff880000000000-0xffff88000000a000 ...` as pages of the direct map.
fn dumped(text: &str) -> Option<(u64, u64)> {
    let (start, end) = text.split_whitespace().next()?.split_once('-')?;
    let page = |text: &str| {
        let address = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
        Some(address.checked_sub(DIRECT)? / PAGE).filter(|page| *page < 1 << 28)
    };
    Some((page(start)?, page(end)?))
}

fn behind<'a, S: AsRef<str>>(console: &'a [S], tag: &'a str) -> impl Iterator<Item = &'a str> {
    console.iter().filter_map(move |line| Some(line.as_ref().split_once(tag)?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_boot_with_a_dump_tells_where_the_copy_is() {
        let scene = scene_of_run("a guest", &CONSOLE).unwrap();
        assert_eq!(scene.after, After::Copied(vec![(0x2_2800, 0x1_0000)]));
        assert_eq!((scene.pages, scene.mapped_end), (Some(0x200_0000), Some(0xffff_ffff_a280_0000)));
        let kinds: Vec<_> = scene.rows.iter().map(|row| row.kind).collect();
        assert_eq!(kinds, [Kind::Kernel, Kind::P2m]);
    }

    #[test]
    fn a_copy_that_the_dump_does_not_fit_is_somewhere() {
        let scene = scene_of_run("a guest", &CONSOLE[..7]).unwrap();
        assert_eq!(scene.after, After::Copied(Vec::new()));
    }

    #[test]
    fn the_other_strategies_are_told_and_a_dead_guest_has_no_scene() {
        let with = |line: &str| scene_of_run("", &[CONSOLE[1], line]).unwrap().after;
        assert_eq!(
            with("[ 1.0] revector: leaves moved from 1 -> 2 to the same frames in the direct map"),
            After::Aliased
        );
        assert_eq!(with("[ 1.0] revector: p2m=keep: the P2M stays where the builder put it"), After::Kept);
        assert_eq!(with("Test result: ERROR"), After::Unknown);
        assert_eq!(scene_of_run("", &CONSOLE[..1]), None);
    }
}
