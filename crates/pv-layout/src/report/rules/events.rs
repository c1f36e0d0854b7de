//! What a log itself reports as gone wrong: warnings, failed allocations, deaths, verdicts, builders that gave up.

use super::Case;
use crate::{
    report::{
        account::Account,
        fact::{Event, Teller},
        finding::Finding,
        text,
    },
    verdict::Outcome,
};

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut found: Vec<_> = module_failure(case).into_iter().collect();
    for event in case.guest.sides().flat_map(|side| &side.events) {
        found.extend(of_event(case, event));
    }
    found.extend(died(case));
    found.extend(relocated(case));
    found.extend(refused(case));
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
    Some(case.problem(title, detail.trim().to_owned(), None))
}

/// `area->size` counts the guard page, the allocation does not.
fn guard(allocated: u64, wanted: u64) -> &'static str {
    if wanted.checked_sub(allocated) == Some(crate::scene::PAGE) {
        " - all pages were there, the rest is the guard page; what failed is mapping them"
    } else {
        ""
    }
}

fn of_event(case: &Case<'_>, event: &Event) -> Option<Finding> {
    match event {
        Event::Crashed(domain) => Some(case.problem(
            format!("Xen says that domain {domain} crashed"),
            "The lines behind this one in Xen's log have the registers.".to_owned(),
            None,
        )),
        Event::Clipped(pages) => Some(
            case.note(
                format!(
                    "Xen gave the initial domain no more than {} because of its P2M",
                    text::pages(*pages)
                ),
                "Without the note INIT_P2M the list has to fit into half of the addresses behind the kernel."
                    .to_owned(),
                Some("A kernel with the ELF note INIT_P2M, or dom0_mem= on Xen's command line.".to_owned()),
            ),
        ),
        _ => None,
    }
}

/// A death is told in several lines too: what happened, and with which address.
fn died(case: &Case<'_>) -> Option<Finding> {
    let events = case.guest.inside.iter().flat_map(|side| &side.events);
    let lines: Vec<_> = events
        .filter_map(|event| match event {
            Event::Died(text) => Some(text::clip(text)),
            _ => None,
        })
        .collect();
    let detail = format!("It printed: {}.", lines.join("; ").trim_end_matches(':'));
    (!lines.is_empty()).then(|| case.problem("The guest died".to_owned(), detail, None))
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
    (!moves.is_empty()).then(|| case.note(title, detail, None))
}

/// A builder that gives up says so in several lines; they belong together.
fn refused(case: &Case<'_>) -> Option<Finding> {
    let lines: Vec<_> = case
        .guest
        .builder
        .iter()
        .flat_map(|side| &side.events)
        .filter_map(|event| match event {
            Event::Refused(text) => Some(text::clip(text)),
            _ => None,
        })
        .collect();
    let (first, rest) = lines.split_first()?;
    let more = match rest {
        [] => String::new(),
        [next] => format!(" Then: {next}."),
        [next, others @ ..] => format!(" Then: {next}; and {} more.", others.len()),
    };
    let cure = is_lack_of_memory(&lines).then_some(MORE_MEMORY);
    let title = "The builder reported an error".to_owned();
    Some(case.problem(title, format!("{first}.{more}"), cure.map(str::to_owned)))
}

const MORE_MEMORY: &str = "Give the guest more memory or a smaller ramdisk: kernel, ramdisk, P2M and page tables must \
    fit into it before it starts, from 16 MiB on.";

fn is_lack_of_memory(lines: &[String]) -> bool {
    let words = ["out of memory", "too small", "cannot allocate memory"];
    lines.iter().map(|line| line.to_lowercase()).any(|line| words.iter().any(|word| line.contains(word)))
}

/// The guest's own verdict, or that there is none.
fn verdict(case: &Case<'_>, side: &Account) -> Option<Finding> {
    let last =
        side.record.as_ref().map_or(String::new(), |record| format!("Its last line before that: {record}"));
    match side.verdict {
        Some(outcome @ (Outcome::Failure | Outcome::Error)) => {
            Some(case.problem(format!("The guest's own verdict is {outcome}"), last, None))
        }
        None if side.teller == Teller::Revector && !side.events.iter().any(Event::is_end) => Some(case.note(
            "The guest's log ends without a verdict".to_owned(),
            format!("It was cut off, or the guest still ran. {last}"),
            None,
        )),
        _ => None,
    }
}
