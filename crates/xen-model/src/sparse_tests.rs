//! A model that stores everything, and one in which the list and its tables follow from rules, answer alike.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::entry::{NO_EXECUTE, PRESENT, USER, WRITABLE};
use crate::kind::Kind;
use crate::ledger::Flushes;
use crate::{Builder, Built, Domain, Notes, Part, Use, Xen};
use proptest::prelude::*;
use xen::abi::{MmuExtOp, MmuUpdate};
use xen::addr::{Mfn, PAGE_SIZE, Pfn, VirtAddr};
use xen::mmuext;
use xen::pte::Level;

/// A list of more than three groups of 512 pages; the last page is not full.
const PAGES: u64 = (3 << 18) + 1000 * 5;
const PAGES_OF_15_TIB: u64 = 15 << 28;
/// Start of the list's mapping: L4 slot 1. Slot 2 is for a second view.
const LIST: u64 = 1 << 39;

/// Where a change goes, and what with: numbers that are reduced to what there is.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: u8,
    table: usize,
    index: usize,
    value: usize,
}

fn step() -> impl Strategy<Value = Step> {
    (0_u8..12, 0_usize..64, 0_usize..512, 0_usize..64).prop_map(|(kind, table, index, value)| Step {
        kind,
        table,
        index,
        value,
    })
}

/// The frames that steps use.
struct Cast {
    /// Tables of the list's mapping, by level.
    tables: Vec<(Level, Mfn)>,
    /// Pages of the list, a few.
    list: Vec<Mfn>,
    /// Pages that nobody uses, cleared.
    free: Vec<Mfn>,
    /// One that never becomes a table.
    spare: Mfn,
}

impl Cast {
    fn of([built, other]: &mut [Built; 2]) -> Self {
        let frame = |pfn: Pfn| built.xen.machine().mfn(pfn).unwrap();
        let tables = built.rows.physmap.iter().filter_map(|piece| match piece.part {
            Part::Table(level) => Some((level, frame(piece.pages.start))),
            Part::List(_) => None,
        });
        let list =
            built.rows.list_runs().flat_map(|run| run.iter().step_by(97).map(frame).collect::<Vec<_>>());
        let free: Vec<_> = (0..6).map(|page| frame(built.rows.end.plus(1000 + page))).collect();
        let spare = frame(built.rows.end.plus(2000));
        let cast = Self { tables: tables.collect(), list: list.collect(), free, spare };
        for mfn in &cast.free {
            built.xen.frame_mut(*mfn).fill(0);
            other.xen.frame_mut(*mfn).fill(0);
        }
        cast
    }

    fn tables_of(built: &Built, level: Level) -> impl Iterator<Item = Mfn> {
        let of_level = built.rows.physmap.iter().filter(move |piece| piece.part == Part::Table(level));
        of_level.map(|piece| built.xen.machine().mfn(piece.pages.start).unwrap())
    }

    fn table(&self, level: Level, number: usize) -> Option<Mfn> {
        let of_level: Vec<_> = self.tables.iter().filter(|(at, _)| *at == level).collect();
        (!of_level.is_empty()).then(|| of_level[number % of_level.len()].1)
    }

    /// An entry for a table of a level: none, as it was, or another frame with other bits.
    fn entry(&self, old: u64, level: Level, value: usize) -> u64 {
        let rights = if value.is_multiple_of(2) { PRESENT | WRITABLE | USER } else { PRESENT | USER };
        let of = |mfn: Mfn| (mfn.raw() * PAGE_SIZE) | rights;
        let below = level.below().and_then(|below| self.table(below, value / 8));
        match value % 8 {
            0 => 0,
            1 => old ^ (NO_EXECUTE * (old & PRESENT)),
            2 => old & !WRITABLE,
            3 | 4 if level > Level::L1 => below.map_or(0, of),
            3 => of(self.list[value / 8 % self.list.len()]),
            4 => of(self.tables[value / 8 % self.tables.len()].1),
            // Anything else than an L1 table in it would crash the domain.
            5 if level < Level::L3 => of(self.free[value / 8 % self.free.len()]),
            _ => old,
        }
    }

    /// Does a step; returns what there is to see of its outcome.
    fn take(&self, step: Step, xen: &mut Xen) -> String {
        let Step { kind, table, index, value } = step;
        let free = self.free[table % self.free.len()];
        let l1 = self.table(Level::L1, table).unwrap_or(free);
        let list = self.list[index % self.list.len()];
        let op = |cmd, arg1: Mfn, arg2: Mfn| MmuExtOp { cmd, arg1: arg1.raw(), arg2: arg2.raw() };
        let at = VirtAddr::new(
            LIST * (1 + value as u64 % 2) + ((table as u64 % 4) << 21) + index as u64 * PAGE_SIZE,
        );
        match kind {
            0 => self.write(xen, l1, index, Level::L1, value),
            1 => self.write(xen, self.table(Level::L2, table).unwrap_or(l1), index % 6, Level::L2, value),
            2 => self.write(xen, self.table(Level::L3, table).unwrap_or(l1), index % 2, Level::L3, value),
            3 => self.write(xen, xen.root(), 1 + index % 2, Level::L4, value),
            4 => format!("{:?}", xen.extended(op(mmuext::PIN_L1_TABLE, l1, l1))),
            5 => format!("{:?}", xen.extended(op(mmuext::UNPIN_TABLE, l1, l1))),
            6 => format!("{:?}", xen.extended(op(mmuext::COPY_PAGE, free, l1))),
            7 => format!("{:?}", xen.extended(op(mmuext::COPY_PAGE, self.spare, list))),
            8 => format!(
                "{:?}",
                xen.extended(op(mmuext::CLEAR_PAGE, if value < 8 { list } else { free }, free))
            ),
            9 => {
                let at = xen.stale().map_or(at, |stale| stale.at);
                format!("{:?}", xen.extended(op(mmuext::INVLPG_LOCAL, Mfn::new(at.as_u64()), l1)))
            }
            10 if value % 2 == 0 => format!("{:?}", xen.extended(op(mmuext::TLB_FLUSH_LOCAL, l1, l1))),
            // A use would end the test.
            _ if xen.stale().is_some() => String::new(),
            _ => {
                let access = [Use::Read, Use::Write, Use::Execute][value % 3];
                format!("{:?} {:?}", xen.mapping(at), xen.translate(at, access))
            }
        }
    }

    fn write(&self, xen: &mut Xen, table: Mfn, index: usize, level: Level, value: usize) -> String {
        let kind = xen.kind(table);
        let val = self.entry(xen.frame(table)[index], level, value);
        // As a plain word it is in nobody's way.
        let outcome = xen.update(&[MmuUpdate { ptr: table.raw() * PAGE_SIZE + index as u64 * 8, val }]);
        format!("{kind:?} {val:#x} {outcome:?}")
    }
}

fn pair(builder: Builder, mode: Flushes) -> [Built; 2] {
    let domain = Domain { pages: PAGES, builder, notes: Notes::BOTH, ..Domain::guest(0) };
    let [sparse, mut dense] = [domain.build().unwrap(), domain.build().unwrap()];
    dense.xen.store_everything();
    let mut both = [sparse, dense];
    both.iter_mut().for_each(|built| built.xen.forget_when(mode));
    both
}

fn assert_alike([sparse, dense]: &[Built; 2]) {
    for pfn in (0..PAGES)
        .step_by(29)
        .map(Pfn::new)
        .chain(sparse.rows.physmap.iter().flat_map(|piece| piece.pages.iter()))
    {
        let mfn = sparse.xen.machine().mfn(pfn).unwrap();
        assert_eq!(sparse.xen.kind(mfn), dense.xen.kind(mfn), "{pfn}");
        if matches!(sparse.xen.kind(mfn), Some((Kind::Table(_), _))) {
            assert_eq!(sparse.xen.frame(mfn), dense.xen.frame(mfn), "{pfn}");
        }
    }
}

/// The list of 15 TiB, moved to other addresses as a kernel without a tree may do: its L1 tables are hooked a second time,
/// under tables of the kernel's own, and the builder's mapping is dropped.
#[test]
fn a_list_of_30_gib_is_moved_and_takes_no_memory() {
    let mut built = Domain { notes: Notes::BOTH, ..Domain::guest(15 << 20) }.build().unwrap();
    let l1: Vec<_> = Cast::tables_of(&built, Level::L1).collect();
    assert_eq!(l1.len(), 15 << 10);
    let xen = &mut built.xen;
    let frame = |xen: &Xen, page: u64| xen.machine().mfn(built.rows.end.plus(page)).unwrap();
    let entry = |mfn: Mfn| (mfn.raw() * PAGE_SIZE) | PRESENT | WRITABLE | USER;
    let l3 = frame(xen, 100);
    xen.frame_mut(l3).fill(0);
    for (number, tables) in l1.chunks(512).enumerate() {
        let l2 = frame(xen, number as u64);
        xen.frame_mut(l2).fill(0);
        xen.frame_mut(l2)[..tables.len()]
            .copy_from_slice(&tables.iter().copied().map(entry).collect::<Vec<_>>());
        xen.frame_mut(l3)[number] = entry(l2);
    }
    let change = |slot: u64, val| MmuUpdate { ptr: xen.root().raw() * PAGE_SIZE + slot * 8, val };
    let (hook, drop) = (change(300, entry(l3)), change(1, 0));
    xen.update(&[hook]).unwrap();
    assert_eq!(xen.kind(l1[0]), Some((Kind::Table(Level::L1), 2)));
    xen.update(&[drop]).unwrap();
    assert_eq!(xen.stale().map(|stale| stale.at), Some(VirtAddr::new(LIST)));
    xen.flush();
    assert_eq!(xen.stale(), None);
    let last = PAGES_OF_15_TIB - 1;
    let at = VirtAddr::new_truncate((300 << 39) + last / 512 * PAGE_SIZE);
    let mfn = xen.translate(at, Use::Read).unwrap();
    assert_eq!(xen.memory.word(mfn, (last % 512) as usize), xen.machine().mfn(Pfn::new(last)).unwrap().raw());
    assert_eq!(xen.kind(mfn), Some((Kind::Writable, 1)));
    assert!(xen.memory.stored() < 100, "{} pages stored", xen.memory.stored());
}

/// Large pages are remembered as well: a flush that is left out after the list's mapping is dropped shows.
#[test]
fn a_large_page_of_the_list_may_be_remembered() {
    for gib in [2, 1024] {
        let domain = Domain { builder: Builder::Xen, notes: Notes::BOTH, ..Domain::guest(gib << 10) };
        let mut xen = domain.build().unwrap().xen;
        let drop = MmuUpdate { ptr: xen.root().raw() * PAGE_SIZE + 8, val: 0 };
        xen.update(&[drop]).unwrap();
        let stale = xen.stale().unwrap();
        assert_eq!((stale.at, stale.now), (VirtAddr::new(LIST), None));
        xen.flush();
        assert_eq!(xen.stale(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_follows_from_rules_behaves_as_what_is_stored(
        builder in prop::sample::select(&Builder::ALL[..]),
        strict: bool,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut both = pair(builder, if strict { Flushes::OnlyAsked } else { Flushes::AlsoImplied });
        let cast = Cast::of(&mut both);
        for step in steps {
            let [sparse, dense] = &mut both;
            prop_assert_eq!(cast.take(step, &mut sparse.xen), cast.take(step, &mut dense.xen), "{:?}", step);
            prop_assert_eq!(sparse.xen.stale(), dense.xen.stale(), "{:?}", step);
        }
        assert_alike(&both);
    }
}
