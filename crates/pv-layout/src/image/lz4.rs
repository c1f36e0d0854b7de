//! Unpacks LZ4 as Linux packs its kernel with: the legacy frame (`lz4 -l`), blocks of at most 8 MiB each.
//!
//! A block is a row of sequences: a token of two lengths, literals, a distance back and how much to copy from there.
//! Written from the format's description (lz4_Block_format.md and lz4_Frame_format.md, `Legacy frame`). `unpack` asks.

use anyhow::{Context, Result, ensure};

pub(super) const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// What a length says if more of it follows.
const MORE: usize = 15;
/// The shortest copy.
const LEAST: usize = 4;

/// Unpacks a legacy frame to at most `most` bytes.
pub(super) fn frame(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&MAGIC).context("expected an LZ4 frame")?;
    let mut out = Vec::new();
    // Linux puts the unpacked length, four bytes, after the last block.
    while rest.len() > MAGIC.len() {
        let (size, after) = rest.split_at(MAGIC.len());
        if size == MAGIC {
            rest = after;
            continue;
        }
        let size = size.iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let packed = after.get(..size).context("a block ends after the file does")?;
        block(packed, &mut out, most)?;
        rest = &after[size..];
    }
    Ok(out)
}

fn block(packed: &[u8], out: &mut Vec<u8>, most: usize) -> Result<()> {
    let mut input = packed.iter().copied();
    while let Some(token) = input.next() {
        let literals = length(usize::from(token >> 4), &mut input)?;
        let from = packed.len() - input.len();
        out.extend(packed.get(from..from + literals).context("literals end after the block does")?);
        if literals > 0 {
            input.nth(literals - 1);
        }
        ensure!(out.len() <= most, "it unpacks to more than {most} bytes");
        // The last sequence has literals only.
        let Some(low) = input.next() else { return Ok(()) };
        let high = input.next().context("a distance is cut")?;
        let distance = usize::from(low) | usize::from(high) << 8;
        let copied = length(usize::from(token & 15), &mut input)? + LEAST;
        ensure!(copied <= most - out.len(), "it unpacks to more than {most} bytes");
        copy(out, distance, copied)?;
    }
    Ok(())
}

/// A length of four bits, to which bytes are added as long as they are full.
fn length(start: usize, input: &mut impl Iterator<Item = u8>) -> Result<usize> {
    let mut length = start;
    if start == MORE {
        loop {
            let more = input.next().context("a length is cut")?;
            length += usize::from(more);
            if more != u8::MAX {
                break;
            }
        }
    }
    Ok(length)
}

/// Repeats what was written `distance` bytes ago; it may run into what it writes.
pub(super) fn copy(out: &mut Vec<u8>, distance: usize, count: usize) -> Result<()> {
    let from = out.len().checked_sub(distance).filter(|_| distance > 0);
    let from = from.context("a copy is from before the beginning")?;
    for at in from..from + count {
        out.push(out[at]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'abcabcabcabcabcabcabcabcabcabc tail of it' | lz4 -l -9`
    const PACKED: [u8; 27] = [
        0x02, 0x21, 0x4c, 0x18, 0x13, 0, 0, 0, 0x3f, b'a', b'b', b'c', 3, 0, 8, 0xb0, b' ', b't', b'a', b'i',
        b'l', b' ', b'o', b'f', b' ', b'i', b't',
    ];

    #[test]
    fn what_lz4_packs_is_unpacked() {
        let text = frame(&PACKED, 1000).unwrap();
        assert_eq!(text, b"abcabcabcabcabcabcabcabcabcabc tail of it");
        let with_length = [&PACKED[..], &[41, 0, 0, 0]].concat();
        assert_eq!(frame(&with_length, 1000).unwrap(), text);
    }

    #[test]
    fn what_is_damaged_is_refused_and_never_too_long() {
        for end in 5..PACKED.len() {
            let mut cut = PACKED[..end].to_vec();
            cut.resize(end, 0);
            let _ = frame(&cut, 1000);
        }
        assert!(frame(&PACKED, 20).is_err());
        let mut far = PACKED;
        far[12] = 200;
        assert!(frame(&far, 1000).unwrap_err().to_string().contains("before the beginning"));
    }
}
