//! The dialect of Xen's own domain builder, which makes the initial domain.
//!
//! ```text
//! (XEN) PHYSICAL MEMORY ARRANGEMENT:
//! (XEN)  Dom0 alloc.:   0000000210000000->0000000214000000 (1999193 pages to be allocated)
//! (XEN)  Init. ramdisk: 000000021c9ee000->000000021efffe00        machine addresses, if there is one
//! (XEN) VIRTUAL MEMORY ARRANGEMENT:
//! (XEN)  Loaded kernel: ffffffff81000000->ffffffff8205f000
//! (XEN)  Init. ramdisk: ffffffff8205f000->ffffffff84670e00        zero, or since 4.16 no line, if not mapped
//! ```
//!
//! Ends are exact, not whole pages. Rings have lines from 4.7 or so to 4.15, mostly zero. Sources: Xen's
//! `xen/arch/x86/domain_build.c` and `pv/dom0_build.c`; logs of 4.1, 4.14, 4.17 and 4.20.

use super::{
    banner::BANNER,
    fact::{Event, Fact, Facts, Missing, Width, nothing, one},
    keyword::{Hit, Word, Writer},
    layout_line::hex_numbers,
};
use crate::scene::{HIGH, Kind, MapRange, PAGE};
use std::ops::Range;

const BY: Option<Writer> = Some(Writer::Xen);
/// Kinds of memory, as Xen and Linux write them; the text of a cut line is none of them.
pub(super) const KINDS: [&str; 9] = [
    "usable",
    "reserved",
    "ACPI data",
    "ACPI NVS",
    "unusable",
    "persistent (type 7)",
    "persistent (type 12)",
    "device reserved",
    "soft reserved",
];

pub(super) const WORDS: &[Word] = &[
    ("Xen version ", BY, version),
    ("-e820 RAM map:", BY, map_begins),
    ("-e801 RAM map:", BY, map_begins),
    ("EFI RAM map:", BY, map_begins),
    ("(usable)", None, map),
    ("(reserved)", None, map),
    ("(ACPI data)", None, map),
    ("(ACPI NVS)", None, map),
    ("(unusable)", None, map),
    ("PHYSICAL MEMORY ARRANGEMENT", BY, |_| Ok(vec![Fact::BeginRows])),
    ("Dom0 alloc.:", BY, allocation),
    ("Init. ramdisk:", BY, ramdisk),
    ("Loaded kernel:", BY, range),
    ("Phys-Mach map:", BY, range),
    ("Start info:", BY, range),
    ("Xenstore ring:", BY, range),
    ("Console ring:", BY, range),
    ("Page tables:", BY, range),
    ("Boot stack:", BY, range),
    ("TOTAL:", BY, total),
    ("Dom0 memory clipped to ", BY, clipped),
    // `banner` reads what follows.
    (BANNER, BY, |_| nothing()),
    ("Dom0 kernel: ", BY, kernel),
    ("EFI memory map:", BY, |_| Ok(vec![Fact::EfiMapBegins])),
    (" type=", BY, efi),
];

/// `Xen version 4.17.7 (Debian ...) ...`: also the beginning of a boot.
fn version(hit: &Hit<'_>) -> Facts {
    let version = hit.rest.split_once(" (").map(|(version, _)| version.trim());
    let version = version.filter(|text| text.starts_with(|c: char| c.is_ascii_digit()));
    Ok(version.map_or(Vec::new(), |version| vec![Fact::Begin, Fact::Version(version.to_owned())]))
}

fn map_begins(_: &Hit<'_>) -> Facts {
    Ok(vec![Fact::MapBegins])
}

/// `[0000000000000000, 000000000009fbff] (usable)`, last byte included, or until Xen 4.12 and Linux 3.5
/// `0000000000000000 - 000000000009fc00 (usable)`, end excluded. The word ends the line.
fn map(hit: &Hit<'_>) -> Facts {
    let kind = hit.word.trim_matches(['(', ')']).to_owned();
    let inclusive = hit.before.trim_end().ends_with(']');
    let Some(Range { start, end }) = last_two(hit.before) else { return nothing() };
    let end = if inclusive { end.saturating_add(1) } else { end };
    if start >= end { nothing() } else { Ok(vec![Fact::Map(MapRange { start, end, kind })]) }
}

/// The two addresses that end a text, if they are an entry of a map that Xen gave: not `BIOS-e820: ...` of a
/// machine without Xen, not `e820 update range: ...`.
fn last_two(text: &str) -> Option<Range<u64>> {
    let (head, end) = last_number(text);
    let (head, start) = last_number(head);
    let head = head.trim_end_matches([' ', '[']);
    let others = head.ends_with(':') && !head.ends_with("Xen:");
    (!others).then_some(address(start)?..address(end)?)
}

/// A text's last hexadecimal digits, and what is before them.
fn last_number(text: &str) -> (&str, &str) {
    let text = text.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
    let before = text.char_indices().rfind(|(_, c)| !c.is_ascii_hexdigit());
    text.split_at(before.map_or(0, |(at, c)| at + c.len_utf8()))
}

/// An address has all its digits, so that a cut one is none.
fn address(text: &str) -> Option<u64> {
    (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Two addresses of 16 digits, or of 8 if Xen is a 32-bit one or prints a 32-bit kernel's.
fn pair(text: &str) -> Option<Range<u64>> {
    let (start, rest) = text.trim().split_once("->")?;
    let (start, end) = (start.trim(), rest.trim_start().split(|c: char| !c.is_ascii_hexdigit()).next()?);
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let whole = start.len() == end.len() && matches!(start.len(), 8 | 16);
    whole.then_some(number(start)?..number(end)?)
}

const MISSING: Missing = Missing("expected two addresses of 16 or 8 digits, START->END");

fn range(hit: &Hit<'_>) -> Facts {
    let name = Kind::of_xens_name(hit.word).name();
    let Range { start, end } = pair(hit.rest).ok_or(MISSING)?;
    if start == 0 && end == 0 {
        return nothing();
    }
    Ok(vec![Fact::Range(name, start, end)])
}

/// Of two lines with this name one has machine addresses and the other virtual ones.
fn ramdisk(hit: &Hit<'_>) -> Facts {
    let Range { start, end } = pair(hit.rest).ok_or(MISSING)?;
    Ok(match (start, end) {
        (0, 0) => Vec::new(),
        _ if start >= HIGH || hit.rest.trim_start().find("->") == Some(8) => {
            vec![Fact::Range("ramdisk", start, end)]
        }
        _ => vec![Fact::RamdiskBytes(end.saturating_sub(start))],
    })
}

fn total(hit: &Hit<'_>) -> Facts {
    let Range { start, end } = pair(hit.rest).ok_or(MISSING)?;
    Ok(vec![Fact::Base(start), Fact::Mark(super::layout_line::Mark::MappedEnd, end)])
}

/// The pages of the first block and those to come; a ramdisk whose pages are passed on counts on top.
fn allocation(hit: &Hit<'_>) -> Facts {
    let Range { start, end } = pair(hit.rest).ok_or(MISSING)?;
    let first = end.saturating_sub(start) / PAGE;
    let more = hit.rest.split_once('(').map(|(_, more)| more.split_once(" pages"));
    let more = match more {
        None => Some(0),
        Some(more) => more.and_then(|(count, _)| count.parse::<u64>().ok()),
    };
    one(more.map(|more| Fact::Pages(first.saturating_add(more))), "expected (N pages to be allocated)")
}

fn clipped(hit: &Hit<'_>) -> Facts {
    let pages = hit.rest.split_once(" pages").and_then(|(pages, _)| pages.parse().ok());
    one(pages.map(|pages| Fact::Event(Event::Clipped(pages))), "expected N pages")
}

/// `64-bit, PAE, lsb, paddr 0x1000000 -> 0x4a00000`, and before Xen 4.3 also `compat32`.
fn kernel(hit: &Hit<'_>) -> Facts {
    let width = match hit.rest.split(',').next() {
        Some("32-bit") => Some(Width::Bits32),
        Some("64-bit") => Some(Width::Bits64),
        _ => None,
    };
    let mut facts: Vec<_> = width.map(Fact::Width).into_iter().collect();
    if let [start, end] = *hex_numbers(hit.rest)
        && start < end
    {
        facts.push(Fact::Physical(start..end));
    }
    Ok(facts)
}

/// `0000004000000-0000004051fff type=10 attr=000000000000000f`, last byte included. Xen makes its own map of these: RAM
/// is what EFI calls free or is done with, if it can be cached.
fn efi(hit: &Hit<'_>) -> Facts {
    let digits = hit.rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let (Ok(kind), true) = (digits.parse::<u32>(), hit.rest.contains(" attr=")) else { return nothing() };
    let range = hit.before.trim_end().rsplit(' ').next().and_then(|range| range.split_once('-'));
    let number = |text: &str| (text.len() >= 13).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    let Some((start, end)) = range.and_then(|(start, end)| number(start).zip(number(end))) else {
        return nothing();
    };
    let kind = match kind {
        1..=4 | 7 => "usable",
        8 => "unusable",
        9 => "ACPI data",
        10 => "ACPI NVS",
        _ => "reserved",
    };
    let range = MapRange { start, end: end.saturating_add(1), kind: kind.to_owned() };
    if start < end { Ok(vec![Fact::EfiMap(range)]) } else { nothing() }
}
