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
        Event::Died(text) => {
            Some(case.problem("The guest died".to_owned(), format!("It printed: {text}."), None))
        }
        Event::Crashed => Some(case.problem(
            "Xen says that the domain crashed".to_owned(),
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
        Event::Relocated(text) => Some(
            case.note(
                format!("Linux {text} that lay in holes of its memory map"),
                "It gives its pages the machine's memory map, moves what falls into a hole and counts on."
                    .to_owned(),
                None,
            ),
        ),
        _ => None,
    }
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
    let more = if rest.is_empty() { String::new() } else { format!(" Then: {}.", rest.join("; ")) };
    let cure = is_lack_of_memory(&lines).then(|| {
        "Give the guest more memory or a smaller ramdisk: kernel, ramdisk and P2M must fit into it before it starts."
    });
    let title = "The builder reported an error".to_owned();
    Some(case.problem(title, format!("{first}.{more}"), cure.map(str::to_owned)))
}

fn is_lack_of_memory(lines: &[String]) -> bool {
    let words = ["out of memory", "segment", "too small", "Cannot allocate memory"];
    lines.iter().any(|line| words.iter().any(|word| line.contains(word)))
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
