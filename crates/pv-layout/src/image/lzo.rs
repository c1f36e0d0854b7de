//! Unpacks LZO as Linux packs its kernel with: `lzop`'s file of LZO1X blocks.
//!
//! A block is a row of instructions, each a copy from before and up to three literals, or a run of literals. Written
//! from descriptions of the formats (LZO1X's byte patterns, lzop's header), with every length checked. `unpack` asks.

use super::lz4::copy;
use anyhow::{Context, Result, bail, ensure};

pub(super) const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a, 0x1a, 0x0a];
/// Since this version the header has a level and more of the time.
const LONGER: u16 = 0x940;
/// Bits of the header's flags: checksums of the unpacked block, of the packed one, a filter.
const UNPACKED_SUMS: u32 = 0x1 | 0x100;
const PACKED_SUMS: u32 = 0x2 | 0x200;
const FILTER: u32 = 0x800;

/// Bytes that are read in order.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.0.get(..count).context("it ends early")?;
        self.0 = &self.0[count..];
        Ok(taken)
    }

    fn byte(&mut self) -> Result<usize> {
        Ok(usize::from(self.take(1)?[0]))
    }

    /// A big-endian number.
    fn number(&mut self, bytes: usize) -> Result<u32> {
        Ok(self.take(bytes)?.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// A length that was zero in its instruction: full bytes of zeros, and the rest.
    fn longer(&mut self, base: usize) -> Result<usize> {
        let mut length = base;
        loop {
            match self.byte()? {
                0 => length += 255,
                last => return Ok(length + last),
            }
        }
    }
}

/// Unpacks a file of `lzop` to at most `most` bytes.
pub(super) fn file(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut input = Input(bytes.strip_prefix(&MAGIC).context("expected a file of lzop")?);
    let flags = header(&mut input)?;
    let mut out = Vec::new();
    loop {
        let unpacked = input.number(4)? as usize;
        if unpacked == 0 {
            return Ok(out);
        }
        let packed = input.number(4)? as usize;
        ensure!(unpacked <= most - out.len(), "it unpacks to more than {most} bytes");
        input.take(4 * (flags & UNPACKED_SUMS).count_ones() as usize)?;
        if packed >= unpacked {
            out.extend(input.take(unpacked)?);
            continue;
        }
        input.take(4 * (flags & PACKED_SUMS).count_ones() as usize)?;
        let end = out.len() + unpacked;
        let start = out.len();
        block(input.take(packed)?, &mut out, end)?;
        ensure!(out.len() == end, "a block has {} bytes, expected {unpacked}", out.len() - start);
    }
}

/// Reads the header; returns its flags.
fn header(input: &mut Input<'_>) -> Result<u32> {
    let version = input.number(2)? as u16;
    let longer = version >= LONGER;
    input.take(if longer { 4 } else { 2 })?;
    let method = input.byte()?;
    ensure!((1..=3).contains(&method), "expected method LZO1X, found {method}");
    input.take(usize::from(longer))?;
    let flags = input.number(4)?;
    if flags & FILTER != 0 {
        bail!("the file was filtered before it was packed: this command does not know how");
    }
    // Mode and time, the name with its length, a checksum.
    input.take(if longer { 12 } else { 8 })?;
    let name = input.byte()?;
    input.take(name + 4)?;
    Ok(flags)
}

/// What the instruction before left: how many literals it copied, which decides what a small one means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Literals(usize),
    Run,
}

fn block(packed: &[u8], out: &mut Vec<u8>, end: usize) -> Result<()> {
    let mut input = Input(packed);
    let mut before = Before::Literals(0);
    if let Some(first @ 18..) = packed.first().copied() {
        let count = input.byte()? - 17;
        literals(&mut input, out, count, end)?;
        before = if first < 21 { Before::Literals(count) } else { Before::Run };
    }
    loop {
        let code = input.byte()?;
        let (distance, count, state) = match (code, before) {
            (0..=15, Before::Literals(0)) => {
                let count = if code == 0 { input.longer(15)? } else { code };
                literals(&mut input, out, count + 3, end)?;
                before = Before::Run;
                continue;
            }
            (0..=15, Before::Literals(_)) => ((code >> 2) + (input.byte()? << 2) + 1, 2, code & 3),
            (0..=15, Before::Run) => ((code >> 2) + (input.byte()? << 2) + 2049, 3, code & 3),
            (16..=31, _) => {
                let count = if code & 7 == 0 { input.longer(7)? } else { code & 7 };
                let low = input.byte()? | input.byte()? << 8;
                let distance = ((code & 8) << 11) + (low >> 2);
                if distance == 0 {
                    return Ok(());
                }
                (distance + 16384, count + 2, low & 3)
            }
            (32..=63, _) => {
                let count = if code & 31 == 0 { input.longer(31)? } else { code & 31 };
                let low = input.byte()? | input.byte()? << 8;
                ((low >> 2) + 1, count + 2, low & 3)
            }
            _ => ((code >> 2 & 7) + (input.byte()? << 3) + 1, (code >> 5) + 1, code & 3),
        };
        ensure!(count <= end - out.len(), "a copy is longer than its block");
        copy(out, distance, count)?;
        literals(&mut input, out, state, end)?;
        before = Before::Literals(state);
    }
}

fn literals(input: &mut Input<'_>, out: &mut Vec<u8>, count: usize, end: usize) -> Result<()> {
    ensure!(count <= end - out.len(), "literals are longer than their block");
    out.extend(input.take(count)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as lzop 1.04 writes it, with one block: `abc` as literals, a copy, an end.
    fn packed(block: &[u8], unpacked: u32) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend([0x10, 0x40, 0x20, 0xa0, 0x09, 0x40, 1, 5]);
        // Flags: a checksum of the unpacked block; mode, time, no name, a checksum.
        file.extend(1_u32.to_be_bytes());
        file.extend([0; 12]);
        file.push(0);
        file.extend([0; 4]);
        file.extend(unpacked.to_be_bytes());
        file.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
        file.extend([0; 4]);
        file.extend(block);
        file.extend([0; 4]);
        file
    }

    #[test]
    fn every_kind_of_instruction_is_read() {
        // Three literals; 27 from 3 back (0x20: more than 31 would follow, so 0x39 = 32 + 25), then one literal.
        let repeated = [20, b'a', b'b', b'c', 0x39, 0x09, 0x00, b'!', 0x11, 0, 0];
        let text = file(&packed(&repeated, 31), 1000).unwrap();
        assert_eq!(text, [b"abc".repeat(10), b"!".to_vec()].concat());
        // A run of 4 literals in a first byte, then eight from 4 back in two bytes.
        let short = [21, b'w', b'x', b'y', b'z', 0xe0 | 3 << 2, 0, 0x11, 0, 0];
        assert_eq!(file(&packed(&short, 12), 1000).unwrap(), b"wxyz".repeat(3));
        // A run with its length in more bytes: 15 + 3 + 2.
        let run = [&[0, 2][..], &[b'q'; 20], &[0x11, 0, 0]].concat();
        assert_eq!(
            file(&packed(&run, 30), 1000).unwrap_err().to_string(),
            "a block has 20 bytes, expected 30"
        );
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let repeated = [20, b'a', b'b', b'c', 0x39, 0x09, 0x00, b'!', 0x11, 0, 0];
        let whole = packed(&repeated, 31);
        for end in 0..whole.len() {
            assert!(file(&whole[..end], 1000).is_err(), "{end}");
        }
        assert!(file(&whole, 10).is_err());
        let far = [20, b'a', b'b', b'c', 0x39, 0xff, 0x00, b'!', 0x11, 0, 0];
        assert!(file(&packed(&far, 31), 1000).unwrap_err().to_string().contains("before the beginning"));
    }
}
