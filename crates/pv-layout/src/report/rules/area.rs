//! What lies in the module area, what would keep it out, and from which size on something will.
//!
//! A module's code reaches the kernel by 32-bit displacements, so modules have no other place than the area after the
//! kernel's. Whatever the builder maps there is in the way until the guest clears it.

use super::Case;
use crate::{
    predict::domain::Builder,
    report::{
        fact::{Event, Writer},
        finding::Finding,
        text,
        what_if::{GIB, Note, WhatIf},
    },
    scene::{After, Kind, ModuleArea},
};

/// Bytes of the P2M and of other rows in the module area, and the names of the latter.
struct Inside {
    list: u64,
    others: u64,
    names: Vec<String>,
}

fn inside(case: &Case<'_>) -> Inside {
    let mut inside = Inside { list: 0, others: 0, names: Vec::new() };
    for row in &case.scene.rows {
        match (row.bytes_in(case.scene.area), row.kind) {
            (0, _) => {}
            (bytes, Kind::P2m) => inside.list = inside.list.saturating_add(bytes),
            (bytes, _) => {
                inside.others = inside.others.saturating_add(bytes);
                inside.names.push(row.name.clone());
            }
        }
    }
    inside
}

/// What lies in the module area now.
pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    if !case.scene.area.exists() {
        return Vec::new();
    }
    let inside = inside(case);
    if inside.list == 0 && inside.others == 0 {
        return padding(case).into_iter().collect();
    }
    match case.scene.after {
        After::Copied(_) | After::Aliased | After::Listed => {
            vec![moved(case, &inside, "the guest moved its list and says so")]
        }
        After::Unknown if is_moved_by_linux(case) => {
            vec![moved(
                case,
                &inside,
                "Linux moves its list while it boots since 3.7, and has not complained",
            )]
        }
        After::Unknown | After::Kept => {
            let mut found = vec![in_the_way(case, &inside)];
            found.extend(assumed(case));
            found
        }
    }
}

fn what(inside: &Inside) -> String {
    match (inside.list, inside.others) {
        (list, 0) => format!("{} of the P2M", text::mib(list)),
        (0, others) => format!("{} of {}", text::mib(others), text::list(&inside.names)),
        (list, others) => format!("{} of the P2M and {} of other rows", text::mib(list), text::mib(others)),
    }
}

fn in_the_way(case: &Case<'_>, inside: &Inside) -> Finding {
    let area = case.scene.area;
    let list = case.scene.rows.iter().find(|row| row.kind == Kind::P2m && row.bytes_in(area) > 0);
    let list = list.and_then(|list| list.address.zip(list.end()));
    let list = list.map_or(String::new(), |(start, end)| format!("The P2M has {start:#x} -> {end:#x}. "));
    let detail = format!(
        "{list}Modules go to {:#x} and above: none loads until the guest moves its list.{}",
        area.start,
        basis(case)
    );
    case.problem(format!("{} lie in the module area", what(inside)), detail, cures(case))
}

/// What the log does not say and a reader may know.
fn assumed(case: &Case<'_>) -> Option<Finding> {
    let ours = case.guest.inside.as_ref().is_some_and(|side| side.writer == Writer::Revector);
    let is_named = case.guest.ask(|side| side.modules).is_some();
    if ours || is_named || has_failed(case) || case.scene.area != ModuleArea::CLASSIC {
        return None;
    }
    let title = format!("Modules are taken to start at {:#x}", case.scene.area.start);
    let detail =
        "The log does not say. A kernel built for KASLR has them at 0xffffffffc0000000 instead.".to_owned();
    Some(case.note(
        title,
        detail,
        vec!["if yours is built so, say it with --module-area 0xffffffffc0000000".to_owned()],
    ))
}

/// Whether the guest reports that modules had no place.
fn has_failed(case: &Case<'_>) -> bool {
    let failed = |event: &Event| matches!(event, Event::AlreadyMapped(_) | Event::AllocationFailure { .. });
    case.guest.sides().flat_map(|side| &side.events).any(failed)
}

/// Whether the guest is a Linux that gets its list out of the way, and has not failed to.
fn is_moved_by_linux(case: &Case<'_>) -> bool {
    let Some(side) = case.guest.inside.as_ref().filter(|side| side.writer == Writer::Linux) else {
        return false;
    };
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
    let mut parts = side.version.as_deref().unwrap_or_default().split(['.', '-']);
    let version = number(parts.next()).zip(number(parts.next()));
    version.is_some_and(|version| version >= (3, 7)) && !has_failed(case)
}

fn moved(case: &Case<'_>, inside: &Inside, because: &str) -> Finding {
    let detail = format!(
        "Where the builder put them, they are in the way of modules; {because}. Nothing is wrong, but a kernel that \
         leaves its list there could load no module."
    );
    let title = format!("{} lay in the module area until the guest moved the list", what(inside));
    case.note(title, detail, Vec::new())
}

/// Only the mapping's unused end reaches the area: old kernels stumble over that too.
fn padding(case: &Case<'_>) -> Option<Finding> {
    let end =
        case.scene.mapped_end.filter(|end| *end > case.scene.area.start && *end <= case.scene.area.end)?;
    let detail = format!(
        "No row lies there, but the builder maps spare pages up to {end:#x}, and the module area \
        starts at {:#x}. A kernel that clears only its rows leaves them in the way of modules.",
        case.scene.area.start
    );
    Some(case.note(
        "The initial mapping's spare pages reach into the module area".to_owned(),
        detail,
        Vec::new(),
    ))
}

/// That sizes and notes may not help, where the log names a builder whose arithmetic does not give its rows.
fn basis(case: &Case<'_>) -> String {
    match case.guest.built_by().filter(|_| what_if(case).is_none()) {
        Some(builder @ (Builder::Grub | Builder::Shim)) => {
            format!(
                " {builder} built it, and not as its arithmetic has it: no size or note is known to help."
            )
        }
        _ => String::new(),
    }
}

fn what_if(case: &Case<'_>) -> Option<WhatIf> {
    WhatIf::of(case.scene, case.guest.built_by())
}

/// Each way out by itself, as far as arithmetic shows that it is one.
fn cures(case: &Case<'_>) -> Vec<String> {
    let mut ways = vec!["a kernel that moves its list while it boots, as Linux does since 3.7".to_owned()];
    let Some(what_if) = what_if(case) else { return ways };
    ways.extend(notes(&what_if));
    if let (Some(most), Some(has)) = (what_if.largest_ramdisk(), what_if.mapped_ramdisk()) {
        let most = text::mib(most.0);
        ways.push(format!("a ramdisk of at most {most} (it has {})", text::pages(has)));
    }
    if let Some(gib) = what_if.collides_from_gib().filter(|gib| gib * GIB <= what_if.pages()) {
        ways.push(format!("at most {} GiB of memory (it has {})", gib - 1, text::pages(what_if.pages())));
    }
    ways
}

/// ELF notes that keep everything below the limit: one of them if that is enough, else both.
fn notes(what_if: &WhatIf) -> Vec<String> {
    let mut ways = Vec::new();
    let list = what_if.list_is_high().then_some(Note::Added);
    let ramdisk = what_if.mapped_ramdisk().map(|_| Note::Added);
    let mut offer = |list: Option<Note>, ramdisk: Option<Note>, text: &str| {
        let end = what_if.with_notes(list.unwrap_or(Note::AsItIs), ramdisk.unwrap_or(Note::AsItIs));
        ways.extend(end.map(|end| format!("{text} (all ends at {end:#x} then)")));
    };
    if list.is_some() {
        offer(list, None, "the note INIT_P2M in the kernel");
    }
    if ramdisk.is_some() {
        offer(None, ramdisk, "the note MOD_START_PFN in the kernel");
    }
    if ways.is_empty() && list.is_some() && ramdisk.is_some() {
        let end = what_if.with_notes(Note::Added, Note::Added);
        ways.extend(
            end.map(|end| format!("both notes, INIT_P2M and MOD_START_PFN (all ends at {end:#x} then)")),
        );
    }
    ways
}

/// From which size on this kernel and ramdisk collide, if they do not yet.
pub(super) fn forecast(case: &Case<'_>) -> Vec<Finding> {
    let inside = inside(case);
    let what_if = what_if(case).filter(|_| inside.list == 0 && inside.others == 0);
    let finding = match what_if.filter(|_| case.scene.area.exists()) {
        Some(what_if) if !what_if.list_is_high() => never(case, &what_if),
        Some(what_if) => {
            let from = what_if.collides_from_gib().filter(|gib| *gib > what_if.pages() / GIB);
            from.map(|gib| someday(case, &what_if, gib))
        }
        None => None,
    };
    finding.into_iter().collect()
}

fn never(case: &Case<'_>, what_if: &WhatIf) -> Option<Finding> {
    let detail = format!(
        "The kernel's note INIT_P2M puts the list elsewhere, so the rows do not grow with the guest: {} are left below \
         the module area at {:#x}.",
        text::mib(what_if.room()?),
        case.scene.area.start
    );
    let title = "The P2M cannot get into the module area at any size".to_owned();
    Some(case.note(title, detail, Vec::new()))
}

fn someday(case: &Case<'_>, what_if: &WhatIf, gib: u64) -> Finding {
    let (who, ramdisk, cure) = match what_if.mapped_ramdisk() {
        None => ("this kernel reaches", String::new(), "the note INIT_P2M in the kernel"),
        Some(mapped) => (
            "this kernel and ramdisk reach",
            format!(" and a ramdisk of {}", text::pages(mapped)),
            "the note INIT_P2M in the kernel; MOD_START_PFN or a smaller ramdisk make room for some GiB",
        ),
    };
    let detail = format!(
        "The P2M takes 2 MiB for each GiB of the guest. It lies after a kernel that ends {} into the high \
         mapping{ramdisk}; the module area starts at {:#x}.",
        text::pages(what_if.kernel_end()),
        case.scene.area.start
    );
    let title = format!("From {gib} GiB on, {who} the module area");
    case.note(title, detail, vec![format!("for larger guests {cure}")])
}
