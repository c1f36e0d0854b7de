//! What lies in the module area, what would keep it out, and from which size on something will.
//!
//! A module's code reaches the kernel by 32-bit displacements, so modules have no other place than the area behind the
//! kernel's. Whatever the builder maps there is in the way until the guest clears it (seed/).

use super::Case;
use crate::{
    report::{
        fact::{Event, Teller},
        finding::{Finding, any_of},
        plan::{GIB, Plan},
        text,
    },
    scene::{After, HIGH, Kind, ModuleArea, PAGE},
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
    let inside = inside(case);
    if inside.list == 0 && inside.others == 0 {
        return padding(case).into_iter().collect();
    }
    match case.scene.after {
        After::Copied(_) | After::Aliased => {
            vec![moved(case, &inside, "the guest moved its list and says so")]
        }
        After::Unknown if is_moved_by_linux(case) => {
            vec![moved(
                case,
                &inside,
                "Linux moves its list while it boots since 3.7, and has not complained",
            )]
        }
        After::Unknown | After::Kept => vec![in_the_way(case, &inside)],
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
    let mut detail = format!(
        "Modules are loaded at {:#x} and above: their code reaches the kernel by 32-bit displacements, so they have \
         no other place. ",
        area.start
    );
    let list = case.scene.rows.iter().find(|row| row.kind == Kind::P2m && row.bytes_in(area) > 0);
    if let Some((start, end)) = list.and_then(|list| list.address.zip(list.end())) {
        detail += &format!("The P2M has {start:#x} -> {end:#x}, 8 bytes for each page of the guest. ");
    }
    if inside.others > 0 && inside.list > 0 {
        detail += &format!("The other rows are {}. ", text::list(&inside.names));
    }
    if case.guest.builder.as_ref().is_some_and(|side| side.notes_listed && side.init_p2m.is_none()) {
        detail += "The log lists the kernel's ELF notes, and INIT_P2M is not among them. ";
    }
    detail += "Until the guest moves the list and clears these mappings, no module can be loaded.";
    detail += reservations(case);
    case.problem(format!("{} lie in the module area", what(inside)), detail, cure(case))
}

/// What the log does not say and a reader may know.
fn reservations(case: &Case<'_>) -> &'static str {
    let ours = case.guest.inside.as_ref().is_some_and(|side| side.teller == Teller::Revector);
    let told = case.guest.ask(|side| side.modules).is_some();
    if ours || told || has_failed(case) || case.scene.area != ModuleArea::CLASSIC {
        return "";
    }
    " A kernel built for KASLR has its modules at 0xffffffffc0000000 instead: if yours is, say so with --module-area."
}

/// Whether the guest reports that modules had no place.
fn has_failed(case: &Case<'_>) -> bool {
    let failed = |event: &Event| matches!(event, Event::AlreadyMapped(_) | Event::AllocationFailure { .. });
    case.guest.sides().flat_map(|side| &side.events).any(failed)
}

/// Whether the guest is a Linux that gets its list out of the way, and has not failed to.
fn is_moved_by_linux(case: &Case<'_>) -> bool {
    let Some(side) = case.guest.inside.as_ref().filter(|side| side.teller == Teller::Linux) else {
        return false;
    };
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u32>().ok());
    let mut parts = side.version.as_deref().unwrap_or_default().split(['.', '-']);
    let version = number(parts.next()).zip(number(parts.next()));
    version.is_some_and(|version| version >= (3, 7)) && !has_failed(case)
}

fn moved(case: &Case<'_>, inside: &Inside, because: &str) -> Finding {
    let detail = format!(
        "Where the builder put them, they are in the way of modules; {because}. Nothing is wrong, but \
        a kernel that leaves its list there could load no module."
    );
    let title = format!("{} lay in the module area until the guest moved the list", what(inside));
    case.note(title, detail, None)
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
    Some(case.note("The initial mapping's spare pages reach into the module area".to_owned(), detail, None))
}

/// Each way out by itself, as far as arithmetic shows that it is one.
fn cure(case: &Case<'_>) -> Option<String> {
    let limit = limit(case);
    let (plan, pages) = Plan::of(case.scene)?;
    let mut ways = notes(plan, limit);
    if let Some(mib) = plan.largest_ramdisk_mib(limit).filter(|_| plan.ramdisk > 0) {
        ways.push(format!("a ramdisk of at most {mib} MiB (it has {})", text::pages(plan.ramdisk)));
    }
    if let Some(gib) = plan.collides_from_gib(limit).filter(|gib| *gib > 1) {
        ways.push(format!("at most {} GiB of memory (it has {})", gib - 1, text::pages(pages)));
    }
    ways.push("a kernel that moves its list while it boots, as Linux does since 3.7".to_owned());
    Some(any_of(&ways))
}

/// ELF notes that keep everything below the limit: one of them if that is enough, else both.
fn notes(plan: Plan, limit: u64) -> Vec<String> {
    let elsewhere = plan.listed.map(|_| Plan { listed: None, ..plan });
    let unmapped = (plan.ramdisk > 0).then_some(Plan { ramdisk: 0, ..plan });
    let both = elsewhere.zip(unmapped).map(|_| Plan { listed: None, ramdisk: 0, ..plan });
    let offer = |way: Option<Plan>, text: &str| {
        let way = way.filter(|way| way.fits(limit))?;
        Some(format!("{text} (all ends at {:#x} then)", way.end_address()))
    };
    let mut ways: Vec<_> = [
        offer(elsewhere, "the ELF note INIT_P2M in the kernel, which names another place for the list"),
        offer(unmapped, "the ELF note MOD_START_PFN in the kernel, so that the ramdisk is not mapped"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if ways.is_empty() {
        ways.extend(offer(both, "both ELF notes in the kernel, INIT_P2M and MOD_START_PFN"));
    }
    ways
}

/// Pages of the high mapping below the module area.
fn limit(case: &Case<'_>) -> u64 {
    case.scene.area.start.saturating_sub(HIGH) / PAGE
}

/// From which size on this kernel and ramdisk collide, if they do not yet.
pub(super) fn forecast(case: &Case<'_>) -> Vec<Finding> {
    let inside = inside(case);
    let plan = Plan::of(case.scene).filter(|_| inside.list == 0 && inside.others == 0);
    let finding = match plan {
        Some((plan, _)) if plan.listed.is_none() => Some(never(case, plan)),
        Some((plan, pages)) => {
            let from = plan.collides_from_gib(limit(case)).filter(|gib| *gib > pages / GIB);
            from.map(|gib| someday(case, plan, gib))
        }
        None => None,
    };
    finding.into_iter().collect()
}

fn never(case: &Case<'_>, plan: Plan) -> Finding {
    let detail = format!(
        "The kernel's ELF note INIT_P2M puts the list elsewhere, so the rows do not grow with the guest: {} are left \
         below the module area at {:#x}.",
        text::pages(limit(case).saturating_sub(plan.end())),
        case.scene.area.start
    );
    case.note("The P2M cannot get into the module area at any size".to_owned(), detail, None)
}

fn someday(case: &Case<'_>, plan: Plan, gib: u64) -> Finding {
    let (who, ramdisk, cure) = match plan.ramdisk {
        0 => ("this kernel reaches", String::new(), "the ELF note INIT_P2M in the kernel"),
        mapped => (
            "this kernel and ramdisk reach",
            format!(" and a ramdisk of {}", text::pages(mapped)),
            "the ELF note INIT_P2M in the kernel, or MOD_START_PFN, or a smaller ramdisk",
        ),
    };
    let detail = format!(
        "The P2M takes 2 MiB for each GiB of the guest. It lies behind a kernel that ends {} into the high \
         mapping{ramdisk}; the module area starts at {:#x}.",
        text::pages(plan.kernel_end),
        case.scene.area.start
    );
    let title = format!("From {gib} GiB on, {who} the module area");
    case.note(title, detail, Some(format!("For larger guests: {cure}.")))
}
