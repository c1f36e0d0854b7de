//! Unpacks a gzip-compressed ramdisk into an area of its own.
//!
//! The stream is read twice: once to learn and check its length and its sum, once to fill the area. So memory is
//! taken for what is there, not for what a trailer claims, and a damaged stream costs none.
//!
//! Neighbours: `source` reads the archive that comes out. Sources: RFC 1952 (gzip), RFC 1951 (deflate).

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_HAS_MORE_INPUT};

/// Most bytes that a ramdisk may unpack to.
pub const UNPACKED_MAX: u64 = 256 << 20;
const MAGIC: [u8; 2] = [0x1f, 0x8b];
const HEAD: usize = 10;
const DEFLATE: u8 = 8;
/// The window that deflate looks back into.
const WINDOW: usize = 32 << 10;

/// Why a gzip stream cannot be unpacked. Offsets count from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipError {
    /// It ends too early.
    Short {
        /// What ends.
        what: &'static str,
        /// Bytes that are there.
        len: usize,
    },
    /// Not a gzip stream.
    Magic {
        /// Its first two bytes.
        found: [u8; 2],
    },
    /// Not the one method that there is, or reserved flags.
    Header {
        /// Method found.
        method: u8,
        /// Flags found.
        flags: u8,
    },
    /// The compressed data is damaged.
    Data {
        /// Bytes that came out before.
        after: u64,
    },
    /// A length or a sum is not the one that the stream has with it.
    Sum {
        /// The field.
        field: &'static str,
        /// What the stream says.
        expected: u32,
        /// What came out.
        found: u32,
    },
    /// More than [`UNPACKED_MAX`] bytes come out.
    TooBig,
}

impl fmt::Display for GzipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { what, len } => {
                write!(f, "expected more of the {what}, found the end after {len} bytes")
            }
            Self::Magic { found: [first, second] } => {
                write!(f, "expected a gzip stream (1f 8b), found {first:02x} {second:02x}")
            }
            Self::Header { method, flags } => {
                write!(f, "expected method 8 and flags below 0x20, found method {method}, flags {flags:#04x}")
            }
            Self::Data { after } => {
                write!(f, "expected deflate data, found none that is sound after {after} bytes")
            }
            Self::Sum { field, expected, found } => {
                write!(f, "{field}: expected {expected:#010x} as the stream says, found {found:#010x}")
            }
            Self::TooBig => write!(f, "expected at most {UNPACKED_MAX} bytes unpacked, found more"),
        }
    }
}

/// Checks a gzip stream; returns how many bytes come out of it.
///
/// # Errors
/// [`GzipError`].
pub fn measure(packed: &[u8]) -> Result<u64, GzipError> {
    let mut sum = Crc::new();
    let body = body(packed)?;
    let (used, len) = inflate(body, |_, bytes| sum.add(bytes))?;
    let field = |at: usize| {
        let bytes = body.get(used + at..used + at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or(GzipError::Short { what: "trailer", len: packed.len() })
    };
    same("CRC32", field(0)?, sum.value())?;
    // The trailer has the length modulo 2^32.
    same("ISIZE", field(4)?, len as u32)?;
    Ok(len)
}

/// Unpacks a stream that [`measure`] has accepted: hands `sink` each piece with its offset.
///
/// # Errors
/// [`GzipError`], if it was not.
pub fn unpack(packed: &[u8], sink: impl FnMut(u64, &[u8])) -> Result<(), GzipError> {
    inflate(body(packed)?, sink).map(drop)
}

/// What follows the header.
fn body(packed: &[u8]) -> Result<&[u8], GzipError> {
    let short = GzipError::Short { what: "header", len: packed.len() };
    let (head, mut rest) = packed.split_at_checked(HEAD).ok_or(short)?;
    if head[..2] != MAGIC {
        return Err(GzipError::Magic { found: [head[0], head[1]] });
    }
    let (method, flags) = (head[2], head[3]);
    if method != DEFLATE || flags & 0xe0 != 0 {
        return Err(GzipError::Header { method, flags });
    }
    if flags & 4 != 0 {
        let (len, after) = rest.split_at_checked(2).ok_or(short)?;
        rest = after.get(usize::from(u16::from_le_bytes([len[0], len[1]]))..).ok_or(short)?;
    }
    // File name and comment, each with a NUL; then a sum of the header.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or(short)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 == 0 {
        return Ok(rest);
    }
    let (sum, after) = rest.split_at_checked(2).ok_or(short)?;
    let mut own = Crc::new();
    own.add(&packed[..packed.len() - rest.len()]);
    // The header's sum is the lower half of the usual one.
    same("header CRC16", u32::from(u16::from_le_bytes([sum[0], sum[1]])), own.value() & 0xffff)?;
    Ok(after)
}

fn same(field: &'static str, expected: u32, found: u32) -> Result<(), GzipError> {
    if expected == found { Ok(()) } else { Err(GzipError::Sum { field, expected, found }) }
}

/// Runs the decompressor over a window; returns the bytes read and the bytes that came out.
fn inflate(body: &[u8], mut sink: impl FnMut(u64, &[u8])) -> Result<(usize, u64), GzipError> {
    let mut state = Box::new(DecompressorOxide::new());
    let mut window = vec![0; WINDOW];
    let (mut read, mut written) = (0, 0);
    loop {
        // A remainder by the window's size: fits any usize.
        let at = (written % WINDOW as u64) as usize;
        let input = body.get(read..).unwrap_or(&[]);
        let (status, used, made) = decompress(&mut state, input, &mut window, at, TINFL_FLAG_HAS_MORE_INPUT);
        sink(written, &window[at..at + made]);
        read += used;
        written += made as u64;
        if written > UNPACKED_MAX {
            return Err(GzipError::TooBig);
        }
        match status {
            TINFLStatus::Done => return Ok((read, written)),
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::NeedsMoreInput => return Err(GzipError::Short { what: "data", len: body.len() }),
            _ => return Err(GzipError::Data { after: written }),
        }
    }
}

/// The sum of RFC 1952, four bits at a time.
struct Crc {
    table: [u32; 16],
    value: u32,
}

impl Crc {
    fn new() -> Self {
        let entry = |n: usize| (0..4).fold(n as u32, |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)));
        Self { table: core::array::from_fn(entry), value: u32::MAX }
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.value ^= u32::from(*byte);
            for _ in 0..2 {
                self.value = (self.value >> 4) ^ self.table[(self.value & 15) as usize];
            }
        }
    }

    const fn value(&self) -> u32 {
        !self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// `printf 'hello hello hello hello\n' | gzip -n`
    const PACKED: &[u8] = &[
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0xb9, 0,
        0x00, 0x88, 0x59, 0x0b, 0x18, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn the_sum_is_that_of_the_catalogue() {
        let mut sum = Crc::new();
        sum.add(b"123456789");
        assert_eq!(sum.value(), 0xcbf4_3926);
    }

    #[test]
    fn every_truncation_and_every_changed_byte_of_a_stream_is_an_error_or_harmless() {
        for len in 0..PACKED.len() {
            assert!(measure(&PACKED[..len]).is_err(), "{len}");
        }
        let mut whole = Vec::new();
        unpack(PACKED, |_, bytes| whole.extend_from_slice(bytes)).unwrap();
        for at in 0..PACKED.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = PACKED.to_vec();
                damaged[at] = byte;
                if let Ok(len) = measure(&damaged) {
                    let mut out = Vec::new();
                    unpack(&damaged, |_, bytes| out.extend_from_slice(bytes)).unwrap();
                    assert_eq!((out.len() as u64, &out), (len, &whole), "offset {at}: {byte:#x}");
                }
            }
        }
    }
}
