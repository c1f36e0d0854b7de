//! One side of a boot, for those who compare layouts or draw their own boot: the same reader, without rules.

use super::{
    account::{Account, Placed},
    fact::Teller,
    join, picture,
    reader::Reader,
    told::{Mark, Row},
};
use crate::scene::{MapRange, PAGE, Scene};
use anyhow::Result;
use std::io::Read;

/// Whose account is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum One {
    Toolstack,
    Xen,
    /// This project's guest.
    Guest,
}

/// What a side tells of one boot.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) rows: Vec<(String, Row)>,
    pub(crate) marks: Vec<(Mark, u64)>,
    /// Page tables by level, L1 first.
    pub(crate) tables: [Option<u64>; 4],
}

/// What one side tells, boot by boot.
pub(crate) fn one_side<S: AsRef<str>>(log: &[S], side: One) -> Vec<Told> {
    let teller = match side {
        One::Toolstack => Teller::Toolstack,
        One::Xen => Teller::Xen,
        One::Guest => Teller::Revector,
    };
    accounts(log).iter().filter(|account| account.teller == teller).map(Told::of).collect()
}

/// The scene that this project's guest tells on its console; none if it died before it told its rows.
#[must_use]
pub fn scene_of_run<S: AsRef<str>>(title: &str, console: &[S]) -> Option<Scene> {
    let told = |account: &Account| account.teller == Teller::Revector && !account.rows.is_empty();
    let guests = join::guests(accounts(console).into_iter().filter(told).collect());
    let mut scene = picture::scene(guests.last()?, None);
    scene.rows.sort_by_key(|row| row.pfn);
    title.clone_into(&mut scene.title);
    Some(scene)
}

/// The memory map that a log holds, the machine's if it is Xen's log: of several the first.
pub(crate) fn memory_map(name: &str, log: impl Read) -> Result<Vec<MapRange>> {
    let mut reader = Reader::new()?;
    reader.read(name, log)?;
    let accounts = reader.finish().0;
    let mut maps = accounts.iter().map(Account::memory_map).filter(|map| !map.is_empty());
    Ok(maps.next().map(<[MapRange]>::to_vec).unwrap_or_default())
}

/// A log in memory, read. The last line of a log that is given as lines has its end.
fn accounts<S: AsRef<str>>(log: &[S]) -> Vec<Account> {
    let mut text = String::new();
    for line in log {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    let Ok(mut reader) = Reader::new() else { return Vec::new() };
    let _ = reader.read("log", text.as_bytes());
    reader.finish().0
}

impl Told {
    fn of(account: &Account) -> Self {
        let marks = [(Mark::AllocEnd, account.alloc_end), (Mark::MappedEnd, account.mapped_end)];
        Self {
            rows: account.rows.iter().filter_map(row).collect(),
            marks: marks.into_iter().filter_map(|(mark, at)| Some((mark, at?))).collect(),
            tables: [0, 1, 2, 3].map(|level| account.tables.level(level)),
        }
    }
}

/// A row in whole pages, if its pages are known.
fn row(placed: &Placed) -> Option<(String, Row)> {
    let end = placed.start.checked_add(placed.pages.checked_mul(PAGE)?)?;
    Some((placed.name.clone(), Row { start: placed.start, end, pfn: placed.pfn?, pages: placed.pages }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{After, Kind};

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
        assert_eq!((kinds, scene.title.as_str()), (vec![Kind::Kernel, Kind::P2m], "a guest"));
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
