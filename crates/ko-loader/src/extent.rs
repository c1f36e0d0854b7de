//! A piece of a file, by the offset and the length that the file itself claims.
//!
//! Both are outside numbers of 64 bits, so every piece is cut here, where neither can overflow or reach too far.
//! Neighbours: `elf_header` and `section` cut tables and contents.

/// Returns the bytes at `offset` if they are all there.
pub(crate) fn slice(bytes: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(len)?).ok()?;
    bytes.get(start..end)
}
