//! Why builders give up: every message with which a domain's creation can end, with its cause and what helps.
//!
//! ```text
//! lines of one build -> known messages, causes before consequences -> one story
//! ```
//!
//! One refusal is several lines: libxenguest says why, libxl that it failed (with an error number that often means
//! nothing: `No such file or directory` for a kernel that is there), and that the domain cannot be built. Xen prints
//! the reason and then its banner. So lines are looked at together, and the first message of the tables that is among
//! them explains all of them. docs/refusals.md lists all of them; a test compares that list with the builders'
//! binaries.

mod elf;
mod guest;
mod known;
mod light;
mod machine;
mod stories;
mod xen;

use super::{
    fact::{Event, Fact, Facts, Width, Writer, nothing},
    keyword::{Hit, Word},
};
use aho_corasick::AhoCorasick;
use known::{Known, LAST, Says, Source};
use std::sync::LazyLock;

pub(super) use stories::Story;

/// Messages that no usual build of Xen 4.14 to 4.20 has in its binaries, and why they are here.
const ELSEWHERE: [(&str, &str); 12] = [
    ("Error allocating domain ID ", "since Xen 4.21"),
    ("trap_unmapped_accesses is not supported", "since Xen 4.21"),
    ("Failed to set Xenstore features", "since Xen 4.21"),
    ("Failed to set Xenstore quota", "since Xen 4.21"),
    ("libxenlight failed to create new domain", "in libvirt"),
    ("XZ decompress support unavailable", "in toolstacks built without the library"),
    ("LZMA decompress support unavailable", "in toolstacks built without the library"),
    ("LZ4 decompress support unavailable", "in toolstacks built without the library"),
    ("ZSTD decompress support unavailable", "in toolstacks built without the library"),
    ("expects too high a hypervisor start address", "in a Xen built with CONFIG_PV32"),
    ("Neither HAP nor Shadow available for PVH domain", "since Xen 4.21"),
    ("Error allocating cmdline buffer for ", "since Xen 4.21"),
];

/// A message as it is listed: for docs/refusals.md, and for the test that looks for it in the builders' binaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// The program that prints it.
    pub program: &'static str,
    /// The words that it is known by, the first of which is looked for.
    pub words: &'static [&'static str],
    /// The title of the finding that it makes; nothing if it is only repeated.
    pub title: Option<&'static str>,
    /// Why it is only repeated.
    pub quoted: Option<&'static str>,
    /// Where it comes from if usual binaries do not have it.
    pub elsewhere: Option<&'static str>,
}

/// All messages with which the creation of a domain can end, what explains most first.
pub fn messages() -> impl Iterator<Item = Message> {
    all().map(|known| {
        let program = match known.source {
            Source::Guest => "libxenguest",
            Source::Elf => "libelf",
            Source::Light => "libxl",
            Source::Xen => "Xen",
            Source::Grub => "GRUB",
        };
        let (title, quoted) = match known.says {
            Says::Story(story) | Says::After(story) => (Some(story.title), None),
            Says::Quoted(why) => (None, Some(why)),
        };
        let elsewhere = ELSEWHERE.iter().find(|(words, _)| *words == known.words[0]).map(|(_, why)| *why);
        let elsewhere = elsewhere.or((known.source == Source::Grub).then_some("in GRUB"));
        Message { program, words: known.words, title, quoted, elsewhere }
    })
}

/// All messages, what explains most before what explains least.
fn all() -> impl Iterator<Item = &'static Known> {
    [guest::KNOWN, elf::KNOWN, xen::KNOWN, light::KNOWN, guest::AFTER].into_iter().flatten()
}

/// The words that make a line one of these, for the table of all known words.
pub(super) static WORDS: LazyLock<Vec<Word>> = LazyLock::new(|| {
    let mut words: Vec<Word> = Vec::new();
    for known in all() {
        let by = match known.source {
            Source::Guest | Source::Light => Some(Writer::Toolstack),
            Source::Xen => Some(Writer::Xen),
            Source::Grub => Some(Writer::Grub),
            Source::Elf => None,
        };
        let word = known.words[0];
        if words.iter().all(|(old, ..)| *old != word) {
            words.push((word, by, refused));
        }
    }
    words.push(("xc: error: ", Some(Writer::Toolstack), refused));
    words.push(("libxl: error: ", Some(Writer::Toolstack), refused));
    words.push(("xc: panic: ", Some(Writer::Toolstack), refused));
    words.push(("VmError: ", Some(Writer::Toolstack), refused));
    // What is longer is looked for first: an automaton takes the first of two words at the same place.
    words.sort_by_key(|(word, ..)| std::cmp::Reverse(word.len()));
    words
});

/// A line that says why a builder gives up, after any prefix.
fn refused(hit: &Hit<'_>) -> Facts {
    let mut facts = Vec::new();
    let text = message(hit.line);
    let says_error = ["xc: ", "libxl: ", "VmError: "].iter().any(|word| hit.word.starts_with(word));
    if !says_error && story_of(text).is_none() {
        return nothing();
    }
    facts.extend(domain(text).map(Fact::Domain));
    facts.extend(tool(hit.line).map(Fact::Tool));
    if hit.line.contains("32-bit PV kernel") {
        facts.push(Fact::Width(Width::Bits32));
    }
    facts.push(Fact::Event(Event::Refused(super::text::clip(text))));
    Ok(facts)
}

/// A line without its prefixes, so that two known words in one line make one message.
fn message(line: &str) -> &str {
    const PREFIXES: [&str; 9] = [
        "xc: error: ",
        "libxl: error: ",
        "xc: ",
        "libxl: ",
        "(XEN) ",
        "domainbuilder: detail: ",
        "VmError: ",
        "ERROR Internal error: ",
        "ERROR ",
    ];
    let cut = |text: &str, word: &str| text.find(word).map(|at| at + word.len());
    let at = PREFIXES.iter().find_map(|prefix| cut(line, prefix)).unwrap_or(0);
    let text = &line[at..];
    text.strip_prefix("panic: ").unwrap_or(text)
}

/// `libxl_create.c:1420:domcreate_rebuild_done: Domain 5:cannot (re-)build domain: -3`
fn domain(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once(": Domain ")?;
    rest.split_once(':')?.0.parse().ok()
}

/// Programs other than `xl` that log what libxl and libxenguest say.
fn tool(line: &str) -> Option<&'static str> {
    let (before, _) = line.split_once("xc: ").or_else(|| line.split_once("libxl: "))?;
    let zone = before.trim_end().strip_suffix(':')?.split_whitespace().next_back()?;
    let (_, zone) = zone.split_once('+')?;
    (zone.len() == 4 && zone.bytes().all(|byte| byte.is_ascii_digit())).then_some("libvirt")
}

/// Whether this is the last message of a builder about a domain.
pub(super) fn is_last(text: &str) -> bool {
    text.contains(LAST)
}

/// Whether a message is a reason, not what came of one.
pub(super) fn is_cause(text: &str) -> bool {
    !is_last(text) && story_of(text).is_some_and(|says| !matches!(says, Says::After(_)))
}

/// Finds the first words of all messages in one pass: builds that fail again and again make long logs.
static FIRST_WORDS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(all().map(|known| known.words[0])).ok());

fn story_of(text: &str) -> Option<Says> {
    let found = FIRST_WORDS.as_ref()?.find_overlapping_iter(text).map(|hit| hit.pattern().as_usize());
    let whole =
        |at: &usize| all().nth(*at).is_some_and(|known| known.words.iter().all(|word| text.contains(word)));
    found.filter(whole).min().and_then(|at| all().nth(at)).map(|known| known.says)
}

/// What a builder's lines come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Explained<'a> {
    /// A known cause, and the line that names it.
    Story(&'static Story, &'a str),
    /// A message that is only repeated, and why.
    Quoted(&'a str, &'static str),
    /// A message that is in no table.
    Unknown(&'a str),
}

/// The story of a builder's lines: the earliest message of the tables that is among them.
pub(super) fn explain<'a>(lines: &[&'a str]) -> Option<Explained<'a>> {
    let holds = |words: &[&str]| words.iter().all(|word| lines.iter().any(|line| line.contains(word)));
    let line_with = |word: &str| lines.iter().copied().find(|line| line.contains(word));
    for known in all().filter(|known| holds(known.words)) {
        let Some(line) = line_with(known.words[0]) else { continue };
        match known.says {
            Says::Story(story) => return Some(Explained::Story(story, line)),
            Says::Quoted(why) => return Some(Explained::Quoted(line, why)),
            Says::After(story) => {
                // A cause that is in no table is worth more than the consequence of it.
                let unknown = lines.iter().copied().find(|line| story_of(line).is_none());
                return Some(unknown.map_or(Explained::Story(story, line), Explained::Unknown));
            }
        }
    }
    lines.first().map(|line| Explained::Unknown(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn two_known_words_in_a_line_make_one_message() {
        let text =
            "xc_dom_boot.c:122: xc_dom_boot_mem_init: can't allocate low memory for domain: Out of memory";
        assert_eq!(message(&format!("xc: error: panic: {text}")), text);
        assert_eq!(message(&format!("2026-02-03 10:11:12.000+0000: xc: panic: {text}")), text);
        assert_eq!(message("(XEN) ELF: not an ELF binary"), "ELF: not an ELF binary");
    }

    #[test]
    fn a_refusal_belongs_to_the_domain_and_the_program_that_its_line_names() {
        let line = "libxl: libxl_create.c:1573:domcreate_rebuild_done: Domain 4:cannot (re-)build domain: -3";
        assert_eq!((domain(line), tool(line)), (Some(4), None));
        assert_eq!(tool(&format!("2026-02-03 10:11:12.004+0000: {line}")), Some("libvirt"));
    }

    #[test]
    fn every_story_has_a_cause_and_every_message_is_there_once() {
        let mut seen = BTreeSet::new();
        for known in all() {
            assert!(seen.insert(known.words), "{:?} is there twice", known.words);
            match known.says {
                Says::Story(story) | Says::After(story) => {
                    assert!(!story.title.is_empty() && story.why.ends_with('.'), "{}", story.title);
                }
                Says::Quoted(why) => assert!(!why.is_empty(), "{:?}", known.words),
            }
        }
    }

    #[test]
    fn the_cause_comes_before_its_consequences_in_any_order() {
        let lines = [
            "xc_dom_boot_mem_init failed: Operation not supported",
            "x: can't allocate low memory for domain",
        ];
        for lines in [lines, [lines[1], lines[0]]] {
            let Some(Explained::Story(story, _)) = explain(&lines) else { panic!("{lines:?}") };
            assert!(story.title.contains("32-bit"), "{}", story.title);
        }
        assert!(matches!(explain(&["nobody's words"]), Some(Explained::Unknown(_))));
        assert_eq!(explain(&[]), None);
    }
}
