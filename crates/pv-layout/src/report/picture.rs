//! Turns a guest's records into a scene: the form that pictures and rules are made from.
//!
//! Two traps. With the `INIT_P2M` note the toolstack prints its list, and with `MOD_START_PFN` the ramdisk, at
//! addresses of the high mapping where nothing is mapped: such rows begin after `virt_pgtab_end`. And of the list's
//! pages some are its own page tables.

use super::{
    crash_facts::Context,
    fact::{Moved, Width, Writer},
    join::Guest,
    record::{Placed, Record},
    text,
};
use crate::scene::{After, Kind, ModuleArea, PAGE, Row, Run, Scene, TableCounts};

/// The scene of a guest, with modules where the caller says, else where a log says.
pub(super) fn scene(guest: &Guest, modules_at: Option<u64>) -> Scene {
    let classic = ModuleArea::CLASSIC;
    let from_log = guest.ask(|side| side.modules).filter(|start| *start < classic.end);
    let area = ModuleArea { start: modules_at.or(from_log).unwrap_or(classic.start), ..classic };
    Scene {
        title: title(guest),
        pages: pages(guest),
        rows: guest.sides().find(|side| !side.rows.is_empty()).map(rows).unwrap_or_default(),
        alloc_end: guest.ask(|side| side.alloc_end),
        mapped_end: guest.ask(|side| side.mapped_end),
        tables: guest.ask(tables),
        area: if has_modules(guest) { area } else { ModuleArea::NONE },
        memory_map: guest
            .inside
            .iter()
            .chain(&guest.builder)
            .map(Record::memory_map)
            .find(|map| !map.is_empty())
            .map(<[_]>::to_vec)
            .unwrap_or_default(),
        after: after(guest),
    }
}

/// Whether it loads modules where a 64-bit kernel does. Not asked for a guest without rows.
fn has_modules(guest: &Guest) -> bool {
    let mini_os = guest.inside.as_ref().is_some_and(|side| side.writer == Writer::MiniOs);
    !mini_os && width(guest) != Some(Width::Bits32)
}

/// The width of the kernel's addresses, as printed or as its rows show.
pub(super) fn width(guest: &Guest) -> Option<Width> {
    let by_rows = |side: &Record| {
        let kernel = side.row("kernel").filter(|_| side.row("phys2mach").is_some())?;
        (0x1000_0000..1 << 32).contains(&kernel.start).then_some(Width::Bits32)
    };
    guest.ask(|side| side.width).or_else(|| guest.ask(by_rows))
}

/// As printed (Xen's count leaves out the ramdisk, whose pages it passes on); else from the length of a list that is
/// nothing but entries; else without what Linux had taken by then.
fn pages(guest: &Guest) -> Option<u64> {
    let exact = guest.inside.iter().chain(&guest.builder).find_map(counted);
    exact.or_else(|| guest.ask(listed)).or_else(|| guest.ask(|side| side.pages_about))
}

fn counted(side: &Record) -> Option<u64> {
    side.pages?.checked_add(side.ramdisk_bytes.unwrap_or(0).div_ceil(PAGE))
}

fn listed(side: &Record) -> Option<u64> {
    let list = side.row("phys2mach").filter(|list| !is_pretended(side, Kind::P2m, list))?;
    Some((list.end - list.start) / 8)
}

fn tables(side: &Record) -> Option<TableCounts> {
    let level = |level| side.tables.level(level);
    Some(TableCounts([level(0)?, level(1)?, level(2)?, level(3)?]))
}

fn after(guest: &Guest) -> After {
    match guest.ask(|side| side.moved) {
        Some(Moved::Copied) => After::Copied(guest.ask(copied_to).unwrap_or_default()),
        None => After::Unknown,
        Some(Moved::Kept) => After::Kept,
        Some(Moved::Aliased) => After::Aliased,
        Some(Moved::Listed) => After::Listed,
    }
}

/// The new list's pages, if the guest prints what its direct map shows (`loglevel=debug`): nothing else of the size of
/// a list is mapped after the initial mapping. Nothing if the sizes differ.
fn copied_to(side: &Record) -> Option<Vec<Run>> {
    let first = side.mapped_end?.checked_sub(crate::scene::HIGH)? / PAGE;
    let after = |run: &Run| Run { first: run.first.max(first), ..*run };
    let found: Vec<_> = side.mapped.iter().map(after).filter(|run| run.pages() > 0).collect();
    let pages = found.iter().fold(0, |sum: u64, run| sum.saturating_add(run.pages()));
    (pages == side.row("phys2mach")?.pages).then_some(found)
}

fn rows(side: &Record) -> Vec<Row> {
    let mut rows: Vec<_> = side.rows.iter().map(|placed| row(side, placed)).collect();
    if side.writer == Writer::MiniOs {
        rows.sort_by_key(|row| row.pfn);
    }
    if let Some(bytes) = side.ramdisk_bytes.filter(|_| side.row("ramdisk").is_none()) {
        let ramdisk = Row {
            kind: Kind::Ramdisk,
            name: "ramdisk".to_owned(),
            pfn: None,
            pages: bytes.div_ceil(PAGE),
            address: None,
        };
        rows.insert(rows.len().min(1), ramdisk);
    }
    rows
}

fn row(side: &Record, placed: &Placed) -> Row {
    let kind = Kind::of_name(&placed.name);
    let address = match (is_pretended(side, kind, placed), kind) {
        (false, _) => Some(placed.start),
        (true, Kind::P2m) => side.init_p2m,
        (true, _) => None,
    };
    Row { kind, name: placed.name.clone(), pfn: placed.pfn, pages: placed.pages, address }
}

/// Whether a toolstack, or the reader of our guest's log, gave an address to what is not mapped there.
pub(super) fn is_pretended(side: &Record, kind: Kind, placed: &Placed) -> bool {
    let after_mapping = side.mapped_end.is_some_and(|end| end > 0 && placed.start >= end);
    let noted = match kind {
        Kind::P2m => side.init_p2m.is_some(),
        Kind::Ramdisk => side.mod_start_pfn,
        _ => false,
    };
    match side.writer {
        Writer::Toolstack => after_mapping || noted,
        Writer::Revector => noted,
        _ => false,
    }
}

/// `128 GiB guest, from the log of xl 4.17`, `domain 7, from the log of Xen 4.15.1`
fn title(guest: &Guest) -> String {
    let size = pages(guest).map_or(String::new(), |pages| format!("{} ", text::pages(pages)));
    let hvm = guest
        .builder
        .as_ref()
        .is_some_and(|side| side.row("kernel").is_some() && side.row("phys2mach").is_none() && !is_pv(side));
    let wide = if width(guest) == Some(Width::Bits32) { "32-bit " } else { "" };
    let what = match guest.domain() {
        _ if guest.is_initial() => format!("{wide}initial domain"),
        _ if hvm => "HVM guest".to_owned(),
        Some(domain) if guest.crash.is_some() && guest.sides().next().is_none() => {
            format!("{}domain {domain}", if is_hvm(guest) { "HVM or PVH " } else { "" })
        }
        _ => format!("{wide}guest"),
    };
    let mut writers: Vec<_> = guest.sides().map(source_of).collect();
    if writers.is_empty() {
        writers.extend(guest.crash.as_ref().map(source_of));
    }
    let logs = if writers.len() == 1 { "log" } else { "logs" };
    format!("{size}{what}, from the {logs} of {}", text::list(&writers))
}

/// Whether Xen says that it crashed in a machine of its own.
pub(super) fn is_hvm(guest: &Guest) -> bool {
    let crash = guest.crash.as_ref().and_then(|side| side.crash.as_ref());
    crash.is_some_and(|crash| crash.context == Some(Context::Hvm))
}

/// A PV guest's kernel is in the high mapping, or it has a list.
pub(super) fn is_pv(side: &Record) -> bool {
    side.row("kernel").is_none_or(|kernel| kernel.start >= crate::scene::HIGH)
        || side.row("phys2mach").is_some()
}

fn source_of(side: &Record) -> String {
    let who = match side.writer {
        Writer::Toolstack => side.tool.unwrap_or("xl"),
        Writer::Xen | Writer::Crash => "Xen",
        Writer::Grub => "GRUB",
        Writer::Revector => "revector",
        Writer::Linux => "Linux",
        Writer::MiniOs => "Mini-OS",
    };
    let crashed = side.crash.as_ref().and_then(|crash| crash.xen.as_ref());
    side.version.as_ref().or(crashed).map_or(who.to_owned(), |version| format!("{who} {version}"))
}
