//! What a builder that gave up says, and how Xen itself died.

use super::Case;
use crate::report::{
    fact::Event,
    finding::Finding,
    refusals::{self, Explained, Story},
    text,
};

/// Lines of the builder's that are quoted beside the one that explains.
const MOST_QUOTED: usize = 2;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let mut found: Vec<_> = refused(case).into_iter().collect();
    found.extend(panicked(case));
    found
}

fn events<'a>(case: &'a Case<'_>, wanted: fn(&Event) -> Option<&String>) -> Vec<&'a str> {
    let events = case.guest.builder.iter().flat_map(|side| &side.events);
    events.filter_map(wanted).map(String::as_str).collect()
}

fn refused(case: &Case<'_>) -> Option<Finding> {
    let lines = events(case, |event| match event {
        Event::Refused(text) => Some(text),
        _ => None,
    });
    let explained = refusals::explain(&lines)?;
    let before = before(case);
    Some(match explained {
        Explained::Story(story, line) => {
            let wants = wants(case, story);
            let detail = format!("{}{wants} It printed: {}.{before}", story.why, without_place(line));
            let cures = story.cures.iter().map(|cure| (*cure).to_owned());
            case.problem(story.title.to_owned(), detail, cures.collect())
        }
        Explained::Quoted(line, why) => case.problem(
            "The builder reported an error".to_owned(),
            format!(
                "It printed: {}.{} No more can be said: {why}.{before}",
                without_place(line),
                others(&lines, line)
            ),
            Vec::new(),
        ),
        Explained::Unknown(line) => case.problem(
            "The builder reported an error that this report does not know".to_owned(),
            format!("It printed: {}.{}{before}", without_place(line), others(&lines, line)),
            Vec::new(),
        ),
    })
}

/// How much memory the guest is to have, where that is what the host lacks.
fn wants(case: &Case<'_>, story: &Story) -> String {
    let pages = case.scene.pages.filter(|_| story.is_of_host_memory());
    pages.map_or(String::new(), |pages| format!(" The guest is to have {}.", text::pages(pages)))
}

/// A line without the place in the toolstack's source: `xc_dom_core.c:702: xc_dom_find_loader: no loader found`.
fn without_place(line: &str) -> &str {
    let place = |text: &str| text.contains(".c:") && !text.contains(' ');
    match line.split_once(": ") {
        Some((head, rest)) if place(head) => rest,
        _ => line,
    }
    .trim_end_matches(['.', '!'])
}

fn others(lines: &[&str], line: &str) -> String {
    let others: Vec<_> = lines
        .iter()
        .filter(|other| **other != line)
        .take(MOST_QUOTED)
        .map(|line| without_place(line))
        .collect();
    if others.is_empty() { String::new() } else { format!(" Then: {}.", others.join("; ")) }
}

/// What came right before Xen's banner, if that is nothing known.
fn before(case: &Case<'_>) -> String {
    let lines = events(case, |event| match event {
        Event::BeforePanic(text) => Some(text),
        _ => None,
    });
    lines.first().map_or(String::new(), |line| format!(" The line before Xen's banner is: {line}."))
}

/// Xen died of something that is no refusal to build.
fn panicked(case: &Case<'_>) -> Option<Finding> {
    let lines = events(case, |event| match event {
        Event::Panicked(text) => Some(text),
        _ => None,
    });
    let line = lines.first()?;
    let detail = format!(
        "Its banner says: {}.{} That is a mistake of Xen's or a fault of the machine, not of the guest's layout.",
        text::clip(line),
        before(case)
    );
    let cures = vec![
        "report it to Xen's developers with the whole serial log".to_owned(),
        "try a newer Xen, and an older one".to_owned(),
    ];
    Some(case.problem("Xen itself died".to_owned(), detail, cures))
}
