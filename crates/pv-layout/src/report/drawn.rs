//! The report as pictures: a page of all guests, or a drawing of one.
//!
//! `draw` knows scenes and findings; here they are put side by side, with what the logs had that could not be used.

use super::{Finding, Report, Severity};
use crate::draw::{self, Page};
use anyhow::{Result, bail};

/// A page that needs nothing else.
pub(super) fn html(report: &Report) -> String {
    let mut pages: Vec<Page> =
        report.scenes.iter().map(|scene| Page { scene: scene.clone(), findings: Vec::new() }).collect();
    for finding in &report.findings {
        if let Some(page) = pages.get_mut(finding.guest) {
            page.findings.push(finding.clone());
        }
    }
    if let Some(last) = pages.last_mut() {
        last.findings.extend(not_used(report));
    }
    draw::html(&pages)
}

/// The drawing of the one guest.
pub(super) fn svg(report: &Report) -> Result<String> {
    match report.scenes.as_slice() {
        [scene] if scene.rows.is_empty() || !scene.area.exists() => bail!(
            "nothing to draw: the log of this guest ({}) has no rows of a kernel with a module area",
            scene.title
        ),
        [scene] => Ok(draw::svg(scene)),
        [] => bail!("nothing to draw: the logs mention no guest (--format term says what was expected)"),
        scenes => bail!(
            "expected logs of one guest for a drawing, found {}: use --format html, or give one guest's logs",
            scenes.len()
        ),
    }
}

fn not_used(report: &Report) -> Option<Finding> {
    let reading = &report.reading;
    let (first, rest) = reading.named.split_first()?;
    let place = reading.sources.get(first.source).map_or("", String::as_str);
    Some(Finding {
        severity: Severity::Note,
        title: format!("{} lines of the logs could not be used", reading.unusable),
        detail: format!(
            "They were cut, or mixed with another writer's. The first is {place}:{}: {}.{}",
            first.line,
            first.why,
            if rest.is_empty() { "" } else { " --format term names more." }
        ),
        cures: Vec::new(),
        guest: report.scenes.len().saturating_sub(1),
    })
}
