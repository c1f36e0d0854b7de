//! The notes of an image as a loader finds them that reads sections only, and segments as one that copies all of them.
//!
//! Xen's builders and GRUB read notes from segments and load what is marked for loading. krata reads notes from
//! sections and pads by the alignment that the section names, whatever it is; and it copies each segment to where its
//! physical address says, marked for loading or not. `image` asks, `check` has krata's rules.
//!
//! Sources, for facts: crates/xen/xenplatform/src/elfloader.rs of edera-dev/krata (a58bb3b), note.rs of the crate elf
//! 0.7.

use object::{
    LittleEndian, elf,
    read::elf::{FileHeader, ProgramHeader, SectionHeader},
};
use std::ops::Range;

type Header = elf::FileHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// What such a loader finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sections {
    /// Types of the Xen notes in sections.
    pub notes: Vec<u32>,
    /// Physical address of a segment that lies outside what is loaded, if there is one.
    pub stray: Option<u64>,
}

impl Sections {
    /// Reads them; a file without a table of sections has none.
    pub(super) fn of(header: &Header, file: &[u8], loaded: &Range<u64>) -> Self {
        let mut notes = Vec::new();
        for section in header.section_headers(LE, file).unwrap_or_default() {
            if section.sh_type(LE) == elf::SHT_NOTE {
                let align = usize::try_from(section.sh_addralign(LE)).unwrap_or(0);
                xen_notes(section.data(LE, file).unwrap_or_default(), align, &mut notes);
            }
        }
        let segments = header.program_headers(LE, file).unwrap_or_default();
        let strays = |at: &u64| !(loaded.start..=loaded.end).contains(at);
        Self { notes, stray: segments.iter().map(|segment| segment.p_paddr(LE)).find(strays) }
    }
}

/// Adds the types of one section's Xen notes, up to what cannot be a note.
fn xen_notes(data: &[u8], align: usize, found: &mut Vec<u32>) {
    let mut rest = data;
    while let Some((note, after)) = first(rest, data.len(), align) {
        found.extend(note);
        rest = after;
    }
}

/// The first note: its type if it is Xen's, and what comes after it. `whole` is the length that padding counts from.
fn first(data: &[u8], whole: usize, align: usize) -> Option<(Option<u32>, &[u8])> {
    if align == 0 {
        return None;
    }
    let word = |at: usize| data.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let (name_bytes, value_bytes, kind) = (word(0)?, word(4)?, word(8)?);
    let offset = whole - data.len();
    let padded = |at: usize| Some((offset + at).checked_next_multiple_of(align)? - offset);
    let name_end = usize::try_from(name_bytes).ok()?.checked_add(12)?;
    let name = data.get(12..name_end)?;
    let value_end = padded(name_end)?.checked_add(usize::try_from(value_bytes).ok()?)?;
    data.get(padded(name_end)?..value_end)?;
    let rest = data.get(padded(value_end)?..).unwrap_or_default();
    Some(((name == b"Xen\0").then_some(kind), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two notes, padded to four bytes; the first value has six.
    const NOTES: &[u8] = b"\x04\0\0\0\x06\0\0\0\x05\0\0\0Xen\0abcde\0\0\0\
        \x04\0\0\0\x04\0\0\0\x10\0\0\0Xen\0\x01\0\0\0";

    fn kinds(data: &[u8], align: usize) -> Vec<u32> {
        let mut found = Vec::new();
        xen_notes(data, align, &mut found);
        found
    }

    #[test]
    fn notes_are_padded_as_their_section_says_even_where_that_is_wrong() {
        assert_eq!(kinds(NOTES, 4), [5, 16]);
        assert_eq!(kinds(NOTES, 8), [5, 16], "the first note ends on eight bytes");
        assert_eq!(kinds(NOTES, 1), [5], "the second is looked for two bytes too early");
        assert_eq!(kinds(NOTES, 0), [0; 0]);
    }

    #[test]
    fn every_prefix_ends_the_list_and_huge_lengths_do_too() {
        for length in 0..NOTES.len() {
            assert!(kinds(&NOTES[..length], 4).len() < 2, "{length}");
        }
        assert_eq!(kinds(&[0xff; 64], 4), [0; 0]);
        assert_eq!(kinds(NOTES, usize::MAX), [0; 0]);
    }
}
