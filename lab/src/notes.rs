//! Adds the notes to an image that move its P2M and its ramdisk, so that one link makes images with any of them.
//!
//! `INIT_P2M` names the address that the builder is to map the P2M at, `MOD_START_PFN` leaves the ramdisk unmapped. The
//! linker script (`crates/xen-pv/kernel.ld`) keeps room for both after the image's own notes, in a section of its own.
//! What is written there moves from that section to the notes': code and addresses stay as they are, so that names and
//! lines of one image are right for the others. `make notes` calls this.
//!
//! Sources: xen/include/public/elfnote.h for the numbers, the ELF specification for the form of a note.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use object::{LittleEndian, SectionIndex, elf, read::elf::FileHeader};
use pv_layout::{
    address::ListAt,
    image::{
        PvImage,
        notes::{INIT_P2M, MOD_START_PFN},
    },
    input,
};
use std::{fs, mem::offset_of, num::TryFromIntError, ops::Range, path::PathBuf};

const NOTES: &[u8] = b".note.Xen";
const ROOM: &[u8] = b".room_for_notes";

type Header = elf::FileHeader64<LittleEndian>;
type Section = elf::SectionHeader64<LittleEndian>;
type Segment = elf::ProgramHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

/// Write an image with more Xen notes than it was linked with.
#[derive(Debug, Args)]
#[command(after_help = "Example: an image whose P2M is mapped at 512 GiB, as Linux has it\n  \
    pvlab notes target/image/revector moved --init-p2m 0x8000000000")]
pub(crate) struct NotesArgs {
    /// The image, linked by crates/xen-pv/kernel.ld
    input: PathBuf,
    /// Where to write the one with notes
    output: PathBuf,
    /// Have the builder map the P2M at this address, not after the ramdisk
    #[arg(long, value_name = "ADDRESS")]
    init_p2m: Option<ListAt>,
    /// Have the builder leave the ramdisk unmapped
    #[arg(long)]
    mod_start_pfn: bool,
}

/// A note to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Where the builder is to map the P2M.
    InitP2m(ListAt),
    /// The ramdisk is named by its page number, and not mapped.
    ModStartPfn,
}

/// Runs the verb.
pub(crate) fn run(args: &NotesArgs) -> Result<()> {
    let mut bytes = input::file(&args.input, input::PROGRAM)?;
    let wanted = [args.init_p2m.map(Note::InitP2m), args.mod_start_pfn.then_some(Note::ModStartPfn)];
    let wanted: Vec<_> = wanted.into_iter().flatten().collect();
    add(&mut bytes, &wanted).with_context(|| format!("image {}", args.input.display()))?;
    fs::write(&args.output, bytes).with_context(|| format!("cannot write {}", args.output.display()))
}

/// Adds notes to the image in `bytes`.
///
/// # Errors
/// If the image has such a note, or no room for it; nothing is changed then.
pub fn add(bytes: &mut [u8], wanted: &[Note]) -> Result<()> {
    let image = PvImage::parse(bytes)?;
    for note in wanted {
        if let Some(value) = image.number(note.kind()) {
            bail!("expected an image without the note {}, found {value:#x}", note.name());
        }
        note.check(image.base)?;
    }
    let added: Vec<u8> = wanted.iter().flat_map(|note| note.bytes()).collect();
    let places = Places::of(bytes)?;
    let left = places.room.len();
    ensure!(
        added.len() <= left,
        "expected {} bytes of room after the notes, found {left}: link it by a kernel.ld with more in .room_for_notes",
        added.len()
    );
    bytes[places.room.start..places.room.start + added.len()].copy_from_slice(&added);
    places.grow(bytes, added.len() as u64);
    Ok(())
}

impl Note {
    const fn kind(self) -> u32 {
        match self {
            Self::InitP2m(_) => INIT_P2M,
            Self::ModStartPfn => MOD_START_PFN,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::InitP2m(_) => "INIT_P2M",
            Self::ModStartPfn => "MOD_START_PFN",
        }
    }

    /// The toolstack ignores an address above the base silently, and Xen's builder panics over one in its mapping.
    fn check(self, base: u64) -> Result<()> {
        match self {
            Self::InitP2m(ListAt(at)) if at >= base => {
                bail!("expected an address below VIRT_BASE {base:#x} for INIT_P2M, found {at:#x}")
            }
            Self::InitP2m(_) | Self::ModStartPfn => Ok(()),
        }
    }

    /// The note as it stands in the file: sizes of name and value, type, name, value.
    fn bytes(self) -> Vec<u8> {
        let value = match self {
            Self::InitP2m(ListAt(at)) => at.to_le_bytes().to_vec(),
            Self::ModStartPfn => 1_u32.to_le_bytes().to_vec(),
        };
        let head = [4, value.len() as u32, self.kind()].map(u32::to_le_bytes).concat();
        [head.as_slice(), b"Xen\0", &value].concat()
    }
}

/// Where in the file the notes are, and what says so.
struct Places {
    /// The unused bytes after the notes.
    room: Range<usize>,
    notes_section: usize,
    room_section: usize,
    segment: usize,
}

impl Places {
    fn of(bytes: &[u8]) -> Result<Self> {
        let header = Header::parse(bytes).context("expected an ELF file")?;
        let sections = header.sections(LE, bytes).context("the table of sections lies outside the file")?;
        let index = |wanted: &[u8]| {
            let named =
                |section: &Section| sections.section_name(LE, section).is_ok_and(|name| name == wanted);
            sections.iter().position(named).with_context(|| missing(wanted))
        };
        let (notes_index, room_index) = (index(NOTES)?, index(ROOM)?);
        let Range { start: notes, end: notes_end } =
            file_range(sections.section(SectionIndex(notes_index))?)?;
        let Range { start: room, end: room_end } = file_range(sections.section(SectionIndex(room_index))?)?;
        ensure!(
            notes_end == room,
            "expected .room_for_notes right after .note.Xen, found {room:#x} and {notes_end:#x}"
        );
        ensure!(room_end <= bytes.len(), ".room_for_notes lies after the file's end");
        let segments =
            header.program_headers(LE, bytes).context("the table of segments lies outside the file")?;
        let of_notes = |segment: &Segment| {
            segment.p_type.get(LE) == elf::PT_NOTE
                && segment.p_offset.get(LE) == notes as u64
                && segment.p_filesz.get(LE) == (notes_end - notes) as u64
        };
        let segment = segments
            .iter()
            .position(of_notes)
            .context("expected a segment with just the notes, found none")?;
        let place = |table: u64, index: usize, size: usize| {
            Ok::<_, TryFromIntError>(usize::try_from(table)? + index * size)
        };
        Ok(Self {
            room: room..room_end,
            notes_section: place(header.e_shoff.get(LE), notes_index, size_of::<Section>())?,
            room_section: place(header.e_shoff.get(LE), room_index, size_of::<Section>())?,
            segment: place(header.e_phoff.get(LE), segment, size_of::<Segment>())?,
        })
    }

    /// Moves the boundary between notes and room so many bytes on.
    fn grow(&self, bytes: &mut [u8], by: u64) {
        let mut add = |at: usize, amount: u64| {
            let field: &mut [u8; 8] = bytes[at..].first_chunk_mut().expect("headers were read before");
            *field = u64::from_le_bytes(*field).wrapping_add(amount).to_le_bytes();
        };
        add(self.notes_section + offset_of!(Section, sh_size), by);
        add(self.segment + offset_of!(Segment, p_filesz), by);
        add(self.segment + offset_of!(Segment, p_memsz), by);
        add(self.room_section + offset_of!(Section, sh_addr), by);
        add(self.room_section + offset_of!(Section, sh_offset), by);
        add(self.room_section + offset_of!(Section, sh_size), by.wrapping_neg());
    }
}

fn file_range(section: &Section) -> Result<Range<usize>> {
    ensure!(section.sh_type.get(LE) != elf::SHT_NOBITS, "expected a section with content, found a hole");
    let start = usize::try_from(section.sh_offset.get(LE))?;
    let end = start.checked_add(usize::try_from(section.sh_size.get(LE))?).context("a section has no end")?;
    Ok(start..end)
}

fn missing(section: &[u8]) -> String {
    format!(
        "expected a section {}, found none: only images linked by crates/xen-pv/kernel.ld have room for notes",
        String::from_utf8_lossy(section)
    )
}
