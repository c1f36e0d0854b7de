//! Reader of a newc cpio archive: the ramdisk, as the domain builder put it into memory.
//!
//! A ramdisk may hold hundreds of MiB that the kernel does not need (the one of the 128 GiB guest is 263 MiB), so the
//! reader is lazy: it touches the header and the name of one entry at a time, never a file's bytes, and nothing after
//! the trailer. No number in a header is trusted: each is checked against the bytes that are there.
//!
//! ```text
//! | header, 110 bytes | name, NUL | pad to 4 | data | pad to 4 | header ... | "TRAILER!!!" | zeros, unread
//! ```
//!
//! Neighbours: before it, the ramdisk's row of the layout; after it, `elf` opens an entry's data.
//! Sources: cpio(5) "New ASCII Format"; Linux Documentation/driver-api/early-userspace/buffer-format.rst.

use core::fmt;

use crate::magic::Format;
use crate::text;

const HEADER: usize = 110;
const ALIGN: usize = 4;
/// Longest name, NUL included: PATH_MAX.
const NAME_MAX: usize = 4096;
/// How far a ramdisk is looked at before it is called blank.
const BLANK: usize = 4096;
/// Ends of compressed files: the loader says what they are, instead of passing them over.
const PACKED: [&str; 3] = [".xz", ".gz", ".zst"];
const TRAILER: &str = "TRAILER!!!";
const FIELDS: [&str; 13] = [
    "ino",
    "mode",
    "uid",
    "gid",
    "nlink",
    "mtime",
    "filesize",
    "devmajor",
    "devminor",
    "rdevmajor",
    "rdevminor",
    "namesize",
    "check",
];

/// Newc archive in untrusted bytes.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
}

/// One file, directory or link of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path, as the archive spells it.
    pub name: &'a str,
    /// Content; for a symbolic link its target.
    pub data: &'a [u8],
    /// What the entry is.
    pub kind: Kind,
    /// Offset of the entry's header in the archive.
    pub offset: usize,
    checksum: Option<u32>,
}

/// What an entry is, from its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Special,
}

/// Why bytes are not a newc archive. Offsets count from the start of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewcError {
    /// There is no ramdisk, or one of zero bytes.
    Empty,
    /// The ramdisk starts with this many zeros: reserved, never filled.
    Blank { bytes: usize },
    /// No header where one must be.
    Magic { offset: usize, found: Format },
    /// A field of a header is not eight hexadecimal digits.
    Digit { offset: usize, field: &'static str, found: u8 },
    /// A header, name or file reaches beyond the archive.
    Short { offset: usize, what: &'static str, expected: usize, available: usize },
    /// A name has no length, or more than PATH_MAX.
    NameLength { offset: usize, found: usize },
    /// A name does not end with a NUL, or goes on after one.
    NameNul { offset: usize },
    /// A name is not UTF-8, or has control characters.
    NameText { offset: usize },
    /// The archive ends, or only zeros follow, without a trailer.
    NoTrailer { offset: usize },
    /// The bytes of a file do not add up to the header's checksum.
    Checksum { offset: usize, expected: u32, found: u32 },
}

impl<'a> Archive<'a> {
    /// Opens the archive that starts at `bytes`; what follows its trailer does not matter.
    ///
    /// # Errors
    ///
    /// `Empty`, `Blank`, or `Magic` with the name of what was found instead.
    pub fn open(bytes: &'a [u8]) -> Result<Self, NewcError> {
        let head = bytes.get(..BLANK).unwrap_or(bytes);
        if head.is_empty() {
            return Err(NewcError::Empty);
        }
        if head.iter().all(|byte| *byte == 0) {
            return Err(NewcError::Blank { bytes: head.len() });
        }
        match Format::of(bytes) {
            Format::Newc => Ok(Self { bytes }),
            found => Err(NewcError::Magic { offset: 0, found }),
        }
    }

    /// Iterates over the entries, first to last, up to the trailer or the first error.
    #[must_use]
    pub const fn entries(&self) -> Entries<'a> {
        Entries { bytes: self.bytes, next: Some(0) }
    }
}

impl<'a> Entry<'a> {
    /// Returns the module's name if this is a regular file that holds one: `lib/hello.ko` and `hello.o` give `hello`.
    #[must_use]
    pub fn module_name(&self) -> Option<&'a str> {
        let file = self.name.rsplit('/').next()?;
        let plain = PACKED.iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
        let stem = plain.strip_suffix(".o").or_else(|| plain.strip_suffix(".ko"))?;
        (self.kind == Kind::File && !stem.is_empty()).then_some(stem)
    }

    /// Checks the data against the checksum, where the archive has one (magic 070702). Reads all of the data.
    ///
    /// # Errors
    ///
    /// `Checksum` with both sums.
    pub fn verify(&self) -> Result<(), NewcError> {
        let found = self.data.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        match self.checksum {
            Some(expected) if expected != found => {
                Err(NewcError::Checksum { offset: self.offset, expected, found })
            }
            _ => Ok(()),
        }
    }
}

/// Iterator over the entries of an archive; ends after an error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    next: Option<usize>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, NewcError>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.next.take()?;
        match read_entry(self.bytes, offset) {
            Ok((entry, _)) if entry.name == TRAILER => None,
            Ok((entry, end)) => {
                self.next = Some(end);
                Some(Ok(entry))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Reads the entry at `offset`; returns it with the offset of the next one.
fn read_entry(bytes: &[u8], offset: usize) -> Result<(Entry<'_>, usize), NewcError> {
    let fields = read_header(bytes, offset)?;
    // Zero-extensions to 64 bits; the sums below are of offsets inside `bytes` and 32-bit lengths.
    let [_, mode, _, _, _, _, file_len, _, _, _, _, name_len, check] = fields;
    let (file_len, name_len) = (file_len as usize, name_len as usize);
    if name_len == 0 || name_len > NAME_MAX {
        return Err(NewcError::NameLength { offset, found: name_len });
    }
    let name_at = offset + HEADER;
    let name = read_name(slice(bytes, name_at, name_len, "name")?, name_at)?;
    let data_at = (name_at + name_len).next_multiple_of(ALIGN);
    let data = slice(bytes, data_at, file_len, "file")?;
    let checksum = bytes.get(offset + 5).is_some_and(|form| *form == b'2').then_some(check);
    let entry = Entry { name, data, kind: kind_of(mode), offset, checksum };
    Ok((entry, (data_at + file_len).next_multiple_of(ALIGN)))
}

fn read_header(bytes: &[u8], offset: usize) -> Result<[u32; 13], NewcError> {
    let rest = bytes.get(offset..).unwrap_or(&[]);
    match Format::of(rest) {
        Format::Newc => {}
        Format::Zeros => return Err(NewcError::NoTrailer { offset }),
        found => return Err(NewcError::Magic { offset, found }),
    }
    let header = slice(bytes, offset, HEADER, "header")?;
    let mut values = [0; 13];
    for (n, (value, field)) in values.iter_mut().zip(FIELDS).enumerate() {
        let at = 6 + 8 * n;
        for (i, digit) in header.iter().enumerate().skip(at).take(8) {
            let bad = NewcError::Digit { offset: offset + i, field, found: *digit };
            *value = *value << 4 | char::from(*digit).to_digit(16).ok_or(bad)?;
        }
    }
    Ok(values)
}

fn read_name(raw: &[u8], offset: usize) -> Result<&str, NewcError> {
    // dracut-cpio pads names with NULs, so that the data that follows is aligned to a block.
    let end = raw.iter().position(|byte| *byte == 0).unwrap_or(raw.len());
    match raw.split_at(end) {
        (name, padding) if !padding.is_empty() && padding.iter().all(|byte| *byte == 0) => {
            text::read(name).ok_or(NewcError::NameText { offset })
        }
        _ => Err(NewcError::NameNul { offset }),
    }
}

fn slice<'a>(bytes: &'a [u8], at: usize, len: usize, what: &'static str) -> Result<&'a [u8], NewcError> {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let short = NewcError::Short { offset: at, what, expected: len, available: rest.len() };
    rest.get(..len).ok_or(short)
}

const fn kind_of(mode: u32) -> Kind {
    match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Link,
        _ => Kind::Special,
    }
}

impl fmt::Display for NewcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => f.write_str("expected a newc archive, found an empty ramdisk"),
            Self::Blank { bytes } => {
                write!(f, "expected a newc archive, found {bytes} bytes of zeros at the ramdisk's start")
            }
            Self::Magic { offset, found } => {
                write!(f, "offset {offset:#x}: expected magic 070701 or 070702, found {found}")
            }
            Self::Digit { offset, field, found } => {
                write!(f, "offset {offset:#x}: {field}: expected a hexadecimal digit, found {found:#04x}")
            }
            Self::Short { offset, what, expected, available } => {
                write!(f, "offset {offset:#x}: {what}: expected {expected} bytes, found {available}")
            }
            Self::NameLength { offset, found } => {
                write!(f, "offset {offset:#x}: namesize: expected 1 to {NAME_MAX}, found {found}")
            }
            Self::NameNul { offset } => {
                write!(f, "offset {offset:#x}: name: expected NULs at its end, and nowhere else")
            }
            Self::NameText { offset } => {
                write!(f, "offset {offset:#x}: name: expected UTF-8 without control characters")
            }
            Self::NoTrailer { offset } => {
                write!(f, "offset {offset:#x}: expected another entry or {TRAILER}, found the end or zeros")
            }
            Self::Checksum { offset, expected, found } => {
                write!(f, "offset {offset:#x}: checksum: expected {expected:#010x}, found {found:#010x}")
            }
        }
    }
}

#[cfg(test)]
#[path = "newc_tests.rs"]
mod tests;
