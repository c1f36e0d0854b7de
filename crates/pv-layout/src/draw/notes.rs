//! The small print below a picture: how to read it, and what could not be drawn.
//!
//! `picture` writes the lines; `html` repeats nothing of them.

use super::{canvas::Face, rows, stripes};
use crate::{
    scene::{After, PAGE, Row, Scene},
    sizes::Size,
};

/// Overlaps beyond this number are counted only.
const MOST_OVERLAPS: usize = 4;

/// Lines that are no wider than `width`.
pub(super) fn lines(scene: &Scene, width: i32) -> Vec<String> {
    let mut notes = vec![
        "Low addresses are at the top. Rows are to scale where they are tall enough; a zigzag marks what is left out."
            .to_owned(),
    ];
    notes.extend(overlaps(scene));
    notes.extend(not_drawn(scene));
    notes.iter().flat_map(|note| wrap(note, width)).collect()
}

/// Rows on pages that the memory map says are no memory.
pub(super) fn overlaps(scene: &Scene) -> Vec<String> {
    let mut found = Vec::new();
    for range in scene.memory_map.iter().filter(|range| range.kind != "usable") {
        for row in &scene.rows {
            let bytes = shared(row, range.start, range.end);
            if bytes > 0 {
                found.push(format!(
                    "{} of {} lie where the memory map says {}: {:#x} -> {:#x}.",
                    Size(bytes),
                    row.name,
                    range.kind,
                    range.start,
                    range.end
                ));
            }
        }
    }
    let more = found.len().saturating_sub(MOST_OVERLAPS);
    found.truncate(MOST_OVERLAPS);
    if more > 0 {
        found.push(format!("{more} more overlaps with the memory map."));
    }
    found
}

/// Bytes of the row's pages between two pseudo-physical addresses.
pub(super) fn shared(row: &Row, start: u64, end: u64) -> u64 {
    let Some(first) = row.pfn.and_then(|pfn| pfn.checked_mul(PAGE)) else { return 0 };
    let last = first.saturating_add(row.pages.saturating_mul(PAGE));
    last.min(end).saturating_sub(first.max(start))
}

fn not_drawn(scene: &Scene) -> Vec<String> {
    let mut found = Vec::new();
    let more = scene.rows.len().saturating_sub(stripes::MOST_ROWS);
    if more > 0 {
        found.push(format!("{more} more rows are not drawn."));
    }
    if let After::Copied(ranges) = &scene.after {
        let more = ranges.len().saturating_sub(stripes::MOST_RANGES);
        if more > 0 {
            found.push(format!("The P2M was copied to {} ranges; {more} are not drawn.", ranges.len()));
        }
    }
    let elsewhere = scene.rows.iter().filter(|row| row.pfn.is_none() && row.address.is_none());
    found.extend(elsewhere.map(|row| format!("Place not known: {}.", rows::sentence(row))));
    found.truncate(6);
    found
}

/// Breaks a text between words.
fn wrap(text: &str, width: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = Face::Small.cut(word, width);
        match lines.last_mut() {
            Some(line) if Face::Small.width(&format!("{line} {word}")) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_between_words_and_no_line_is_too_wide() {
        let lines = wrap("one two three four five six seven eight", 120);
        assert!(lines.len() > 2, "{lines:?}");
        assert!(lines.iter().all(|line| Face::Small.width(line) <= 120));
        assert_eq!(lines.join(" "), "one two three four five six seven eight");
    }
}
