//! What a log itself reports as gone wrong or worth knowing: warnings, failed allocations, moved pages, verdicts.

use super::Case;
use crate::{
    report::{
        fact::{Event, Writer},
        finding::Finding,
        record::Record,
        text,
    },
    verdict::Outcome,
};

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut found: Vec<_> = module_failure(case).into_iter().collect();
    found.extend(case.guest.sides().flat_map(|side| &side.events).filter_map(|event| clipped(case, event)));
    found.extend(relocated(case));
    found.extend(case.guest.inside.as_ref().and_then(|side| verdict(case, side)));
    found
}

/// The warning and the failed allocation are one story: the pages were there, the addresses were not free.
fn module_failure(case: &Case<'_>) -> Option<Finding> {
    let events = || case.guest.sides().flat_map(|side| &side.events);
    let warned = events().find_map(|event| match event {
        Event::AlreadyMapped(place) => Some(place.as_str()),
        _ => None,
    });
    let failed = events().find_map(|event| match event {
        Event::AllocationFailure { allocated, wanted } => Some((*allocated, *wanted)),
        _ => None,
    });
    let mut detail = match warned {
        Some(place) if place.starts_with("L1 entry") => format!("vmalloc warned: {place}. "),
        Some(place) => {
            format!("The kernel warned in {place} that an address it was about to map is mapped already. ")
        }
        None => String::new(),
    };
    if let Some((allocated, wanted)) = failed {
        detail += &format!(
            "vmalloc: allocation failure, allocated {allocated} of {wanted} bytes{}.",
            guard(allocated, wanted)
        );
    }
    let title = match (warned, failed) {
        (None, None) => return None,
        (None, Some(_)) => "An allocation of virtual memory failed".to_owned(),
        (Some(_), _) => "A module could not be mapped: its addresses are in use".to_owned(),
    };
    Some(case.problem(title, detail.trim().to_owned(), Vec::new()))
}

/// `area->size` counts the guard page, the allocation does not.
fn guard(allocated: u64, wanted: u64) -> &'static str {
    if wanted.checked_sub(allocated) == Some(crate::scene::PAGE) {
        " - all pages were there, the rest is the guard page; what failed is mapping them"
    } else {
        ""
    }
}

fn clipped(case: &Case<'_>, event: &Event) -> Option<Finding> {
    let Event::Clipped(pages) = event else { return None };
    Some(
        case.note(
            format!("Xen gave the initial domain no more than {} because of its P2M", text::pages(*pages)),
            "Without the note INIT_P2M the list has to fit into half of the addresses after the kernel."
                .to_owned(),
            vec!["a kernel with the note INIT_P2M".to_owned(), "dom0_mem= on Xen's command line".to_owned()],
        ),
    )
}

fn relocated(case: &Case<'_>) -> Option<Finding> {
    let events = case.guest.inside.iter().flat_map(|side| &side.events);
    let moves: Vec<_> = events
        .filter_map(|event| match event {
            Event::Relocated(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    let title = "Linux moved pages out of holes of its memory map".to_owned();
    let detail = format!(
        "It gives its pages the machine's memory map, where they may fall on what is no RAM: it {}.",
        text::list(&moves)
    );
    (!moves.is_empty()).then(|| case.note(title, detail, Vec::new()))
}

/// The guest's own verdict, or that there is none.
fn verdict(case: &Case<'_>, side: &Record) -> Option<Finding> {
    let last =
        side.record.as_ref().map_or(String::new(), |record| format!("Its last line before that: {record}"));
    match side.verdict {
        Some(outcome @ (Outcome::Failure | Outcome::Error)) => {
            Some(case.problem(format!("The guest's own verdict is {outcome}"), last, Vec::new()))
        }
        None if side.writer == Writer::Revector && !is_over(case, side) => Some(case.note(
            "The guest's log ends without a verdict".to_owned(),
            format!("It was cut off, or the guest still ran. {last}"),
            Vec::new(),
        )),
        _ => None,
    }
}

/// Whether another line than a verdict reports the guest's end.
fn is_over(case: &Case<'_>, side: &Record) -> bool {
    let crash = case.guest.crash.as_ref().and_then(|side| side.crash.as_ref());
    side.events.iter().any(Event::is_end) || crash.is_some_and(|crash| crash.is_death())
}
