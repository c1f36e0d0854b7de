//! Turns a guest's accounts into a scene: the form that pictures and rules are made from.
//!
//! Two traps. With the `INIT_P2M` note the toolstack prints its list, and with `MOD_START_PFN` the ramdisk, at
//! addresses of the high mapping where nothing is mapped: such rows begin behind `virt_pgtab_end`. And of the list's
//! pages some are its own page tables.

use super::{
    account::{Account, Placed},
    fact::{Moved, Teller},
    join::Guest,
    text,
    told::kind,
};
use crate::scene::{After, Kind, ModuleArea, PAGE, Row, Scene, TableCounts};

/// The scene of a guest, with modules where the caller says, else where a log says.
pub(super) fn scene(guest: &Guest, modules_at: Option<u64>) -> Scene {
    let classic = ModuleArea::CLASSIC;
    let told = guest.ask(|side| side.modules).filter(|start| *start < classic.end);
    Scene {
        title: title(guest),
        pages: pages(guest),
        rows: guest.sides().find(|side| !side.rows.is_empty()).map(rows).unwrap_or_default(),
        alloc_end: guest.ask(|side| side.alloc_end),
        mapped_end: guest.ask(|side| side.mapped_end),
        tables: guest.ask(tables),
        area: ModuleArea { start: modules_at.or(told).unwrap_or(classic.start), ..classic },
        memory_map: guest
            .inside
            .iter()
            .chain(&guest.builder)
            .find(|side| !side.map.is_empty())
            .map(|side| side.map.clone())
            .unwrap_or_default(),
        after: after(guest),
    }
}

/// As told (Xen's count leaves out the ramdisk, whose pages it hands over); else from the length of a list that is nothing but entries; else without what Linux had taken by then.
fn pages(guest: &Guest) -> Option<u64> {
    let exact = guest.inside.iter().chain(&guest.builder).find_map(counted);
    exact.or_else(|| guest.ask(listed)).or_else(|| guest.ask(|side| side.pages_about))
}

fn counted(side: &Account) -> Option<u64> {
    side.pages?.checked_add(side.ramdisk_bytes.unwrap_or(0).div_ceil(PAGE))
}

fn listed(side: &Account) -> Option<u64> {
    let list = side.row("phys2mach").filter(|list| !is_pretended(side, Kind::P2m, list))?;
    Some((list.end - list.start) / 8)
}

fn tables(side: &Account) -> Option<TableCounts> {
    let level = |level| side.tables.level(level);
    Some(TableCounts([level(0)?, level(1)?, level(2)?, level(3)?]))
}

fn after(guest: &Guest) -> After {
    match guest.ask(|side| side.moved) {
        None => After::Unknown,
        Some(Moved::Kept) => After::Kept,
        Some(Moved::Aliased) => After::Aliased,
        Some(Moved::Copied) => After::Copied(Vec::new()),
    }
}

fn rows(side: &Account) -> Vec<Row> {
    let mut rows: Vec<_> = side.rows.iter().map(|placed| row(side, placed)).collect();
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

fn row(side: &Account, placed: &Placed) -> Row {
    let kind = kind(&placed.name);
    let address = match (is_pretended(side, kind, placed), kind) {
        (false, _) => Some(placed.start),
        (true, Kind::P2m) => side.init_p2m,
        (true, _) => None,
    };
    Row { kind, name: placed.name.clone(), pfn: placed.pfn, pages: placed.pages, address }
}

/// Whether a toolstack printed an address for what is not mapped there.
fn is_pretended(side: &Account, kind: Kind, placed: &Placed) -> bool {
    let behind_mapping = side.mapped_end.is_some_and(|end| end > 0 && placed.start >= end);
    let noted = match kind {
        Kind::P2m => side.init_p2m.is_some(),
        Kind::Ramdisk => side.mod_start_pfn,
        _ => false,
    };
    side.teller == Teller::Toolstack && (behind_mapping || noted)
}

/// `128 GiB guest, built by xl 4.17`
fn title(guest: &Guest) -> String {
    let size = pages(guest).map_or(String::new(), |pages| format!("{} ", text::pages(pages)));
    let what = match guest.builder.as_ref() {
        _ if guest.is_initial() => "initial domain",
        Some(side) if side.row("kernel").is_some() && side.row("phys2mach").is_none() && !is_pv(side) => {
            "HVM guest"
        }
        _ => "guest",
    };
    let sides: Vec<_> = guest.sides().map(told_by).collect();
    format!("{size}{what}, told by {}", text::list(&sides))
}

/// A PV guest's kernel is in the high mapping, wherever its list is.
pub(super) fn is_pv(side: &Account) -> bool {
    side.row("kernel").is_none_or(|kernel| kernel.start >= crate::scene::HIGH)
        || side.row("phys2mach").is_some()
}

fn told_by(side: &Account) -> String {
    let who = match side.teller {
        Teller::Toolstack => "xl",
        Teller::Xen => "Xen",
        Teller::Revector => "revector",
        Teller::Linux => "Linux",
    };
    side.version.as_ref().map_or(who.to_owned(), |version| format!("{who} {version}"))
}
