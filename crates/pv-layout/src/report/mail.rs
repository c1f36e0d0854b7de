//! Undoes what mail programs, web pages and terminals do to a log: quoting, encoding, wrapping.
//!
//! ```text
//! > xc_dom_alloc_segment:   ramdisk      : 0xffffffff81e43000 ->        a reply quotes it and wraps it
//! > 0xffffffff925c7000  (pfn 0x1e43 + 0x10784 pages)
//! (XEN)  Loaded kernel: ffffffff81000000-&gt;ffffffff83a00000           a web page
//! Command line: root=3D/dev/xvda1 mem=3D1728M=                          quoted-printable
//! ```
//!
//! `reader` calls this for lines that have a known word. Quoted-printable is only undone where it shows itself, because
//! `=20` may be text. Sources: RFC 2045 (quoted-printable), RFC 3676 (quoting, flowed text).

use std::borrow::Cow;

/// Bytes of a line put together from parts.
const LONGEST: usize = super::lines::LONGEST;

/// Whether an input is quoted-printable, as far as it has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct Encoding {
    quoted_printable: bool,
    /// The part of a line that the next line continues.
    held: Vec<u8>,
}

impl Encoding {
    /// Puts a line together that its encoding has split; nothing if more is to come.
    pub(super) fn whole<'a>(&mut self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let splits = line.ends_with(b"=") && (self.quoted_printable || line.len() > 60);
        if splits && self.held.len() < LONGEST {
            self.quoted_printable = true;
            self.held.extend_from_slice(&line[..line.len() - 1]);
            return None;
        }
        if self.held.is_empty() {
            return Some(Cow::Borrowed(line));
        }
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(line);
        whole.truncate(LONGEST);
        Some(Cow::Owned(whole))
    }

    /// What is left when the input ends.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// The text without quoting and encoding.
    pub(super) fn plain<'a>(&mut self, text: Cow<'a, str>) -> Cow<'a, str> {
        let mut text = text;
        if memchr::memchr2(b'=', b'&', text.as_bytes()).is_some() {
            self.quoted_printable |= text.contains("=3D");
            if self.quoted_printable && text.contains('=') {
                text = Cow::Owned(printable(&text));
            }
            if text.contains('&') {
                text = Cow::Owned(entities(&text));
            }
        }
        while let Some(tag) =
            text.ends_with('>').then(|| TAGS.iter().find(|tag| text.ends_with(*tag))).flatten()
        {
            text = Cow::Owned(text[..text.len() - tag.len()].trim_end().to_owned());
        }
        if !text.starts_with(['>', ' ', '|']) {
            return text;
        }
        match unquoted(&text).len() {
            length if length == text.len() => text,
            length => Cow::Owned(text[text.len() - length..].to_owned()),
        }
    }
}

/// A line without the marks of replies: `> `, `>> `, `| `.
fn unquoted(text: &str) -> &str {
    let rest = text.trim_start_matches(['>', ' ', '|']);
    let marks = &text[..text.len() - rest.len()];
    // Spaces after the last mark are the line's own.
    let own = marks.rfind(['>', '|']).map_or(0, |at| at + 1);
    let own = if own > 0 && marks[own..].starts_with(' ') { own + 1 } else { own };
    &text[own..]
}

/// `=3D` and the like; what is no encoded byte stays.
fn printable(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let upper = |digits: &&str| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        let byte = digits.filter(upper).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| *first == b'=') {
            Some(byte) => {
                bytes.push(if byte.is_ascii_control() { b' ' } else { byte });
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const ENTITIES: [(&str, &str); 9] = [
    ("&gt;", ">"),
    ("&lt;", "<"),
    ("&quot;", "\""),
    ("&#62;", ">"),
    ("&#60;", "<"),
    ("&#39;", "'"),
    ("&#34;", "\""),
    ("&nbsp;", " "),
    ("&amp;", "&"),
];

/// What a web page ends lines with.
const TAGS: [&str; 7] = ["<br>", "<br/>", "<br />", "</pre>", "</p>", "</code>", "</div>"];

fn entities(text: &str) -> String {
    let mut text = text.to_owned();
    for (entity, plain) in ENTITIES {
        if text.contains(entity) {
            text = text.replace(entity, plain);
        }
    }
    text
}

/// Puts a line and the next one together, if the next one looks like the rest of a row: numbers, arrows and the words
/// that rows have. A terminal cuts numbers in two, a mail program does not.
pub(super) fn joined(line: &str, next: &str) -> Option<String> {
    let next = next.trim();
    if next.is_empty() || !next.split_whitespace().all(is_of_a_row) {
        return None;
    }
    let hex = |word: Option<&str>| {
        word.is_some_and(|word| {
            let digits = word.strip_prefix("0x").unwrap_or(word);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let split = |c: char| !c.is_ascii_alphanumeric();
    let cut = is_cut_word(line, next)
        || hex(line.rsplit(split).next()) && !next.starts_with("0x") && hex(next.split(split).next());
    let whole = if cut { format!("{line}{next}") } else { format!("{} {next}", line.trim_end()) };
    (whole.len() <= LONGEST).then_some(whole)
}

/// Whether a line ends inside of a word that rows have, and the next one begins with the rest of it.
fn is_cut_word(line: &str, next: &str) -> bool {
    let rest = next.split_whitespace().next().unwrap_or_default();
    ["(pfn", "pages)"].iter().any(|word| {
        let at = word.len().checked_sub(rest.len()).filter(|at| *at > 0);
        at.is_some_and(|at| word.ends_with(rest) && line.ends_with(&word[..at]))
    })
}

fn is_of_a_row(word: &str) -> bool {
    const WORDS: [&str; 9] = ["->", "+", "(pfn", "pages)", "pages,", "table(s)", "4k", "each", "(pages"];
    let number = |word: &str| {
        let word = word.trim_matches(['(', ')', ',', ':', '[', ']']);
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix('x')).unwrap_or(word);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let rest_of = |whole: &str| whole.len() > word.len() && whole.ends_with(word);
    WORDS.contains(&word)
        || rest_of("(pfn")
        || rest_of("pages)")
        || word.split("->").all(|part| part.is_empty() || number(part)) && word.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        Encoding::default().plain(Cow::Borrowed(text)).into_owned()
    }

    #[test]
    fn marks_of_replies_go_and_the_lines_own_spaces_stay() {
        assert_eq!(plain("> > (XEN)  TOTAL:"), "(XEN)  TOTAL:");
        assert_eq!(plain(">>  L4[0x1]"), " L4[0x1]");
        assert_eq!(plain("| text"), "text");
        assert_eq!(plain("  a -> b"), "  a -> b");
    }

    #[test]
    fn what_a_web_page_writes_is_read() {
        assert_eq!(plain("ffffffff81000000-&gt;ffffffff83a00000"), "ffffffff81000000->ffffffff83a00000");
        assert_eq!(plain("a & b &unknown;"), "a & b &unknown;");
        assert_eq!(plain("RIP: e033:[&lt;ffffffff81001180&gt;]<br></pre>"), "RIP: e033:[<ffffffff81001180>]");
    }

    #[test]
    fn quoted_printable_is_undone_where_it_shows_itself() {
        assert_eq!(plain("mem=3D1728M"), "mem=1728M");
        assert_eq!(plain("pages=2048"), "pages=2048");
        let mut encoding = Encoding::default();
        let long = [b"x".repeat(70), b"=".to_vec()].concat();
        assert_eq!(encoding.whole(&long), None);
        assert_eq!(encoding.whole(b"yz").map(|line| line.len()), Some(72));
        assert_eq!(encoding.plain(Cow::Borrowed("a=20b")), "a b");
    }

    #[test]
    fn a_row_is_put_together_and_another_line_is_none() {
        let row = "kernel : 0xffffffff81000000 -> 0xffffffff81e43000";
        assert_eq!(
            joined(row, " (pfn 0x1000 + 0xe43 pages)").unwrap(),
            format!("{row} (pfn 0x1000 + 0xe43 pages)")
        );
        assert_eq!(
            joined("a : ffffffff810", "00000->ffffffff83a00000").unwrap(),
            "a : ffffffff81000000->ffffffff83a00000"
        );
        assert_eq!(
            joined("a : 0xffffffff81e43000 ->", "0xffffffff925c7000").unwrap(),
            "a : 0xffffffff81e43000 -> 0xffffffff925c7000"
        );
        assert_eq!(joined("a -> b  (p", "fn 0x1 + 0x2 pages)").unwrap(), "a -> b  (pfn 0x1 + 0x2 pages)");
        assert_eq!(joined(row, "domainbuilder: detail: called"), None);
        assert_eq!(joined(row, ""), None);
    }
}
