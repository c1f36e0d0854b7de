//! Finds the ELF file in what people call a kernel: a bzImage, a compressed file, or the ELF file itself.
//!
//! The toolstack and Xen both unpack bzImages; only the toolstack unpacks a file that is gzip throughout. Every method
//! that Linux packs its kernel with is known here; of bzip2 only the name, because nothing here unpacks it.
//!
//! Source: the x86 boot protocol, fields `setup_sects`, `payload_offset` and `payload_length`.

use super::{lz4, lzo};
use crate::no_code::NoCode;
use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::StreamingDecoder;
use std::{borrow::Cow, fmt, io::Read};

/// More than any kernel has unpacked, less than what fills a machine.
const MOST: u64 = 512 << 20;
const SECTOR: usize = 512;
/// The most memory for unpacking lzma, in KiB: its most thorough setting wants 64 MiB.
const LZMA_KIB: u32 = 128 << 10;

/// How an ELF file was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// Compressed as a whole.
    Whole(Method),
    /// The payload of a bzImage.
    BzImage(Method),
}

/// A compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    None,
    Gzip,
    Bzip2,
    Lzma,
    Xz,
    Lzo,
    Lz4,
    Zstd,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("ELF file"),
            Self::Whole(method) => write!(f, "ELF file, compressed by {method}"),
            Self::BzImage(method) => write!(f, "bzImage, payload compressed by {method}"),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "nothing",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Lzma => "lzma",
            Self::Xz => "xz",
            Self::Lzo => "lzo",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// The ELF file in `bytes`, and how it was packed; other files come back as they are.
pub(super) fn elf(bytes: &[u8]) -> Result<(Packing, Cow<'_, [u8]>)> {
    if let Some(payload) = payload(bytes)? {
        let method = method(payload).with_context(|| unknown(payload))?;
        return Ok((Packing::BzImage(method), unpack(method, payload)?));
    }
    match method(bytes) {
        None | Some(Method::None) => Ok((Packing::Plain, Cow::Borrowed(bytes))),
        Some(method) => Ok((Packing::Whole(method), unpack(method, bytes)?)),
    }
}

/// Whether a file that begins so may hold a kernel.
pub(super) fn may_be_kernel(head: &[u8]) -> bool {
    method(head).is_some() || is_bzimage(head) || NoCode::of(head).is_some()
}

fn is_bzimage(bytes: &[u8]) -> bool {
    bytes.get(0x202..0x206) == Some(b"HdrS")
}

/// The payload, if the file is a bzImage.
fn payload(bytes: &[u8]) -> Result<Option<&[u8]>> {
    if !is_bzimage(bytes) {
        return Ok(None);
    }
    let version = bytes.get(0x206..0x208).map_or(0, |word| u16::from_le_bytes([word[0], word[1]]));
    ensure!(version >= 0x208, "expected boot protocol 2.08 or later (Linux 2.6.26), found {version:#x}");
    let sectors = match bytes.get(0x1f1) {
        None | Some(0) => 4,
        Some(count) => usize::from(*count),
    };
    let start = word(bytes, 0x248).and_then(|offset| offset.checked_add((sectors + 1) * SECTOR));
    let range =
        start.zip(word(bytes, 0x24c)).and_then(|(start, length)| Some(start..start.checked_add(length)?));
    match range.and_then(|range| bytes.get(range)) {
        Some(payload) => Ok(Some(payload)),
        None => bail!(
            "the payload of this bzImage lies outside the file ({} bytes): it is not whole",
            bytes.len()
        ),
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

fn method(bytes: &[u8]) -> Option<Method> {
    match bytes {
        [0x7f, b'E', b'L', b'F', ..] => Some(Method::None),
        [0x1f, 0x8b, ..] => Some(Method::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Method::Xz),
        [b'B', b'Z', b'h', ..] => Some(Method::Bzip2),
        [0x5d, 0, 0, ..] => Some(Method::Lzma),
        _ if bytes.starts_with(&lzo::MAGIC) => Some(Method::Lzo),
        _ if bytes.starts_with(&lz4::MAGIC) => Some(Method::Lz4),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Method::Zstd),
        _ => None,
    }
}

fn unpack(method: Method, bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    let mut unpacked = Vec::new();
    let what = || format!("cannot unpack the {method} stream: it is damaged or not whole");
    let length = match method {
        Method::None => return Ok(Cow::Borrowed(bytes)),
        Method::Gzip => GzDecoder::new(bytes).take(MOST).read_to_end(&mut unpacked).with_context(what)?,
        Method::Xz => XzReader::new(bytes, false).take(MOST).read_to_end(&mut unpacked).with_context(what)?,
        Method::Bzip2 => bail!(
            "the kernel is packed with bzip2, which this command does not unpack: use Linux's scripts/extract-vmlinux \
             (the toolstack and Xen boot it as it is, GRUB does not)"
        ),
        Method::Lzma => {
            let decoder = LzmaReader::new_mem_limit(bytes, LZMA_KIB, None).with_context(what)?;
            decoder.take(MOST).read_to_end(&mut unpacked).with_context(what)?
        }
        Method::Lzo => return lzo::file(bytes, most()).map(Cow::Owned).with_context(what),
        Method::Lz4 => return lz4::frame(bytes, most()).map(Cow::Owned).with_context(what),
        Method::Zstd => {
            let stream = StreamingDecoder::new(bytes).with_context(what)?;
            stream.take(MOST).read_to_end(&mut unpacked).with_context(what)?
        }
    };
    ensure!(length as u64 != MOST, "expected at most {MOST} bytes unpacked, found more: this is no kernel");
    Ok(Cow::Owned(unpacked))
}

/// [`MOST`] as a length.
fn most() -> usize {
    usize::try_from(MOST).unwrap_or(usize::MAX)
}

fn unknown(payload: &[u8]) -> String {
    let start = &payload[..payload.len().min(6)];
    format!(
        "expected a payload compressed by gzip, bzip2, lzma, xz, lzo, lz4 or zstd, found one that begins with \
         {start:02x?}: unpack it with Linux's scripts/extract-vmlinux"
    )
}
