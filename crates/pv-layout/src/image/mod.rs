//! A PV kernel's image as a domain builder reads it: where it lies, and what it asks for in its Xen notes.
//!
//! Builders ignore an image's virtual addresses. They take the lowest and highest `p_paddr` of what is loaded and
//! move both by `VIRT_BASE - PADDR_OFFSET`. `unpack` finds the ELF file in a bzImage, `notes` decodes the notes,
//! `sections` reads them by sections; `predict` and `check` ask.
//!
//! Sources: xen/common/libelf/libelf-loader.c, libelf-dominfo.c (`elf_xen_parse`, `elf_xen_addr_calc_check`).

mod lz4;
mod lzo;
pub mod notes;
pub mod sections;
pub mod unpack;

use crate::{
    input,
    no_code::NoCode,
    predict::domain::{Kernel, RamdiskPlace},
    scene::PAGE,
};
use anyhow::{Context, Result, bail, ensure};
use notes::{Note, Value};
use object::{
    LittleEndian, elf,
    read::elf::{FileHeader, ProgramHeader, SectionHeader},
};
use sections::Sections;
use std::{ops::Range, path::Path};
use unpack::Packing;

type Header = elf::FileHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// A PV kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PvImage {
    /// How the ELF file was packed.
    pub packing: Packing,
    /// `VIRT_BASE`, or 0 without it.
    pub base: u64,
    /// First address of what is loaded.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    pub entry: u64,
    /// In the file's order.
    pub notes: Vec<Note>,
    /// What is found by sections.
    pub sections: Sections,
}

impl PvImage {
    /// Reads an image from a file.
    ///
    /// # Errors
    /// If it is no PV kernel; the message says why, and what to do.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = input::program(path, unpack::may_be_kernel)?;
        Self::parse(&bytes).with_context(|| format!("image {}", path.display()))
    }

    /// Reads an image.
    ///
    /// # Errors
    /// If it is no PV kernel; the message says why, and what to do.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let (packing, file) = unpack::elf(bytes)?;
        if let Some(found) = NoCode::of(&file) {
            bail!("expected a kernel, found {found}: link it, or compile with -fno-lto");
        }
        let header = header(&file)?;
        let segments =
            header.program_headers(LE, &*file).context("the table of segments lies outside the file")?;
        let loaded = loaded(segments)?;
        let notes = all_notes(header, segments, &file)?;
        ensure!(
            !notes.is_empty(),
            "expected Xen notes (an ELF note with the name Xen), found none: this is no kernel for PV; Linux needs \
             CONFIG_XEN_PV"
        );
        let base = number(&notes, notes::VIRT_BASE);
        let offset = number(&notes, notes::PADDR_OFFSET);
        ensure!(
            base.is_some() || offset.is_none_or(|offset| offset == 0),
            "found a PADDR_OFFSET note without VIRT_BASE: builders refuse that; give the image both"
        );
        let base = base.unwrap_or(0);
        let moved = base.wrapping_sub(offset.unwrap_or(0));
        let image = Self {
            packing,
            base,
            start: loaded.start.wrapping_add(moved),
            end: loaded.end.wrapping_add(moved),
            entry: number(&notes, notes::ENTRY).unwrap_or(header.e_entry.get(LE)),
            notes,
            sections: Sections::of(header, &file, &loaded),
        };
        image.check()?;
        Ok(image)
    }

    /// What a builder lays out.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        let unmapped = self.number(notes::MOD_START_PFN).is_some_and(|value| value != 0);
        Kernel {
            base: self.base,
            start: self.start,
            end: self.end,
            list_at: self.number(notes::INIT_P2M),
            ramdisk: if unmapped { RamdiskPlace::Unmapped } else { RamdiskPlace::Mapped },
        }
    }

    /// The value of a note of this type that is a number.
    #[must_use]
    pub fn number(&self, kind: u32) -> Option<u64> {
        number(&self.notes, kind)
    }

    /// The value of a note of this type that is a text.
    #[must_use]
    pub fn text(&self, kind: u32) -> Option<&str> {
        self.notes.iter().rev().find(|note| note.kind == kind).and_then(|note| match &note.value {
            Value::Text(text) => Some(text.as_str()),
            Value::Number(_) | Value::Bytes(_) => None,
        })
    }

    /// What builders check too.
    fn check(&self) -> Result<()> {
        let Self { base, start, end, entry, .. } = *self;
        ensure!(
            base <= start && start < end,
            "expected the image after VIRT_BASE {base:#x}, found {start:#x} -> {end:#x}: see VIRT_BASE, PADDR_OFFSET \
             and the physical addresses of the segments"
        );
        ensure!(
            (start - base) % PAGE == 0 && base % PAGE == 0,
            "expected an image that starts on a page boundary, found {start:#x} with VIRT_BASE {base:#x}"
        );
        ensure!(
            start <= entry && entry <= end,
            "expected the entry point in the image {start:#x} -> {end:#x}, found {entry:#x}: see the ENTRY note"
        );
        Ok(())
    }
}

fn header(file: &[u8]) -> Result<&Header> {
    ensure!(
        !matches!(file, [0x7f, b'E', b'L', b'F', 1, ..]),
        "this is a 32-bit kernel, and 64-bit ones are laid out here: as PV it boots only on a Xen with CONFIG_PV32 \
         (and pv=32), with a toolstack that loads it, and from a 32-bit GRUB (grub-i386-xen); Linux 5.9 and later have \
         no 32-bit PV"
    );
    let header = Header::parse(file).ok().context(
        "expected a 64-bit ELF file, or a bzImage with one in it, found neither: give a vmlinux, a vmlinuz or the \
         image of a unikernel",
    )?;
    header.endian().ok().context("expected a little-endian ELF file, found a big-endian one")?;
    let machine = header.e_machine.get(LE);
    ensure!(machine == elf::EM_X86_64, "expected an ELF file for x86-64 (62), found machine {machine}");
    Ok(header)
}

/// Lowest address, and the one after the highest, of what is loaded.
fn loaded(segments: &[elf::ProgramHeader64<LittleEndian>]) -> Result<Range<u64>> {
    let mut range: Option<Range<u64>> = None;
    for segment in segments.iter().filter(|segment| segment.p_type(LE) == elf::PT_LOAD) {
        let start = segment.p_paddr(LE);
        let Some(end) = start.checked_add(segment.p_memsz(LE)) else {
            bail!("a segment at {start:#x} ends after the last address: the image is damaged");
        };
        range = Some(range.map_or(start..end, |known| known.start.min(start)..known.end.max(end)));
    }
    range.context("expected segments to load, found none: an object or a module is no kernel")
}

/// Notes of segments; those of sections only if there are none, as builders do.
fn all_notes(
    header: &Header,
    segments: &[elf::ProgramHeader64<LittleEndian>],
    file: &[u8],
) -> Result<Vec<Note>> {
    let mut found = Vec::new();
    for segment in segments.iter().filter(|segment| segment.p_offset(LE) != 0) {
        if let Some(list) = segment.notes(LE, file).context("a segment of notes lies outside the file")? {
            found.extend(notes::xen(list)?);
        }
    }
    if found.is_empty() {
        let sections =
            header.section_headers(LE, file).context("the table of sections lies outside the file")?;
        for section in sections {
            if let Some(list) = section.notes(LE, file).context("a section of notes lies outside the file")? {
                found.extend(notes::xen(list)?);
            }
        }
    }
    Ok(found)
}

/// The last one counts.
fn number(notes: &[Note], kind: u32) -> Option<u64> {
    notes.iter().rev().find(|note| note.kind == kind).and_then(|note| match note.value {
        Value::Number(value) => Some(value),
        Value::Text(_) | Value::Bytes(_) => None,
    })
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
