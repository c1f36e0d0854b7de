//! Function names for call traces: a table that is put into the image after the link.
//!
//! ```text
//! "KSYMS1\0\0"  count: u32  names: u32 (offset of the names)   then count times:
//! start: u32 (from the image's start)  size: u32  name: u32 (from the start of the names)  length: u32
//! ```
//!
//! Sorted by address. Written by the host command `revector embed-symbols`. An image without a table prints bare
//! addresses.

use core::fmt;
use core::slice;

use crate::addr::VirtAddr;

use super::{linker, module_names};

const MAGIC: &[u8] = b"KSYMS1\0\0";
const HEADER: usize = 16;
const ENTRY: usize = 16;

/// An address, printed as `name+0xoffset/0xsize` if the table knows it.
pub(crate) enum Symbol {
    /// An instruction.
    Instruction(u64),
    /// A return address. It lies after the call, and after the end of the function if the callee never returns.
    Return(u64),
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, inside) = match *self {
            Self::Instruction(address) => (address, address),
            Self::Return(address) => (address, address.wrapping_sub(1)),
        };
        match find(inside) {
            Some(found) => write!(f, "{}+{:#x}/{:#x}", found.name, address - found.start, found.size),
            None => module_names::print(f, address, inside).unwrap_or_else(|| write!(f, "{address:#018x}")),
        }
    }
}

struct Found {
    name: &'static str,
    start: u64,
    size: u64,
}

fn table() -> &'static [u8] {
    let bytes = linker::ksyms_end() - linker::ksyms();
    // SAFETY: the linker reserved these bytes in the read-only segment, which is never written. The compiler cannot
    // know their content, because the table is filled only after it has run.
    unsafe { slice::from_raw_parts(linker::ksyms().as_ptr(), bytes as usize) }
}

fn word(table: &[u8], at: usize) -> Option<u64> {
    let bytes = table.get(at..at + 4)?;
    Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
}

fn find(address: u64) -> Option<Found> {
    let table = table();
    if !table.starts_with(MAGIC) {
        return None;
    }
    let base = linker::image_start().as_u64();
    let offset = address.checked_sub(base)?;
    let start_of = |entry: usize| word(table, HEADER + entry * ENTRY).unwrap_or(u64::MAX);
    // A count of 32 bits fits any usize here and below.
    let (mut low, mut high) = (0, word(table, 8)? as usize);
    while low < high {
        let middle = low.midpoint(high);
        if start_of(middle) <= offset { low = middle + 1 } else { high = middle }
    }
    let at = HEADER + low.checked_sub(1)? * ENTRY;
    let (start, size) = (word(table, at)?, word(table, at + 4)?);
    if offset - start >= size {
        return None;
    }
    let name = word(table, 12)? as usize + word(table, at + 8)? as usize;
    let name = table.get(name..name + word(table, at + 12)? as usize)?;
    Some(Found {
        name: str::from_utf8(name).ok()?,
        start: VirtAddr::new_truncate(base + start).as_u64(),
        size,
    })
}
