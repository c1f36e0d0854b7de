//! Text and numbers for people, and the cleaning of text from logs.

use crate::scene::PAGE;
use std::borrow::Cow;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Characters of a log's text that a message repeats.
const LONGEST: usize = 160;

/// Bytes in MiB with one decimal, in KiB below one MiB, in GiB if they are whole ones or many.
pub(super) fn mib(bytes: u64) -> String {
    match bytes {
        0 => "0 KiB".to_owned(),
        bytes if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        bytes if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        bytes if bytes < MIB => format!("{} KiB", bytes.div_ceil(KIB)),
        bytes if bytes < 10 * GIB => format!("{} MiB", tenths(bytes, MIB)),
        bytes => format!("{} GiB", tenths(bytes, GIB)),
    }
}

/// Rounded to the nearest tenth, in whole numbers: a report of the same log has the same bytes everywhere.
fn tenths(bytes: u64, unit: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + u128::from(unit / 2)) / u128::from(unit);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The bytes of this many pages, as [`mib`] writes them.
pub(super) fn pages(pages: u64) -> String {
    mib(pages.saturating_mul(PAGE))
}

/// A line as text: no control characters, no escape sequences, so that a log cannot paint a terminal.
pub(super) fn clean(line: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(line);
    // Nearly every line of a log is like this.
    if line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\t' => kept.push(' '),
            character if character.is_control() => {}
            character => kept.push(character),
        }
    }
    Cow::Owned(kept)
}

/// `ESC [ parameters letter`, or two characters.
fn skip_escape(characters: &mut std::str::Chars<'_>) {
    if characters.next() == Some('[') {
        let _ = characters.find(|character| ('@'..='~').contains(character));
    }
}

/// A line without its end may have lost digits of its last number, and a shorter number is a wrong one.
pub(super) fn without_last_number(line: &str) -> &str {
    let start = line.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
    let last = line.get(start..).unwrap_or_default();
    if last.contains(|c: char| c.is_ascii_digit()) { &line[..start] } else { line }
}

/// The beginning of a text, if it is long.
pub(super) fn clip(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, clip, list, mib};

    #[test]
    fn sizes_are_in_the_unit_that_a_person_would_use() {
        let sizes = [0x25c_7000, 0x11_b000, 0x1000, 256 << 20, 128 << 30, u64::MAX];
        assert_eq!(
            sizes.map(mib),
            ["37.8 MiB", "1.1 MiB", "4 KiB", "256 MiB", "128 GiB", "17179869184.0 GiB"]
        );
    }

    #[test]
    fn a_log_cannot_paint_the_terminal() {
        assert_eq!(clean(b"\x1b[31mred\x1b[0m\tand \x07\xff\x1bcback"), "red and \u{fffd}back");
        assert_eq!(clean(b"\x1b[31"), "");
    }

    #[test]
    fn long_text_is_clipped_at_a_character() {
        assert_eq!(clip(&"\u{e9}".repeat(500)).chars().count(), 163);
        assert_eq!(clip(" short "), "short");
    }

    #[test]
    fn words_are_listed_as_in_a_sentence() {
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(
            (list(&words), list(&words[..2]), list(&words[..1])),
            ("a, b and c".into(), "a and b".into(), "a".into())
        );
    }
}
