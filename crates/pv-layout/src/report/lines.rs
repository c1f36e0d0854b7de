//! Splits input into lines without holding more than one of them.
//!
//! Logs come from serial lines and terminals: ends are LF, CR LF or CR CR LF, the last line may have none, and what
//! is no text at all may have no line end for megabytes. So a line is bounded; what is longer is read on and thrown
//! away. `reader` calls this for each input.

use std::io::{BufRead, BufReader, ErrorKind, Read, Result};

/// Bytes of a line that are looked at. The longest line worth reading is a kernel's command line, below 2 KiB.
pub(super) const LONGEST: usize = 4096;
const BUFFER: usize = 1 << 18;

/// Whether a line reached its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It has a line end.
    Whole,
    /// The input stops inside it, or it is longer than [`LONGEST`].
    Cut,
}

/// Calls `each` with every line of `input`, without its line end; returns how many bytes were read.
pub(super) fn for_each(input: impl Read, mut each: impl FnMut(&[u8], End)) -> Result<u64> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let mut carried = Carried::default();
    let mut bytes = 0;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = chunk.len();
        if read == 0 {
            carried.finish(&mut each);
            return Ok(bytes);
        }
        split(chunk, &mut carried, &mut each);
        input.consume(read);
        bytes += read as u64;
    }
}

fn split(mut chunk: &[u8], carried: &mut Carried, each: &mut impl FnMut(&[u8], End)) {
    while let Some(end) = memchr::memchr(b'\n', chunk) {
        let line = &chunk[..end];
        if carried.is_empty() {
            give(line, End::Whole, each)
        } else {
            carried.complete(line, each)
        }
        chunk = &chunk[end + 1..];
    }
    carried.push(chunk);
}

fn give(line: &[u8], end: End, each: &mut impl FnMut(&[u8], End)) {
    let line = line.trim_ascii_end();
    match line.get(..LONGEST) {
        Some(head) if line.len() > LONGEST => each(head, End::Cut),
        _ => each(line, end),
    }
}

/// The beginning of a line whose end has not been read yet.
#[derive(Debug, Default)]
struct Carried {
    bytes: Vec<u8>,
}

impl Carried {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keeps one byte more than is looked at, so that a longer line is known for one.
    fn push(&mut self, bytes: &[u8]) {
        let room = (LONGEST + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn complete(&mut self, rest: &[u8], each: &mut impl FnMut(&[u8], End)) {
        self.push(rest);
        give(&self.bytes, End::Whole, each);
        self.bytes.clear();
    }

    fn finish(&self, each: &mut impl FnMut(&[u8], End)) {
        if !self.bytes.is_empty() {
            give(&self.bytes, End::Cut, each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{End, LONGEST, for_each};

    fn lines(input: &[u8]) -> Vec<(String, End)> {
        let mut found = Vec::new();
        let mut add = |line: &[u8], end| found.push((String::from_utf8_lossy(line).into_owned(), end));
        assert_eq!(for_each(input, &mut add).unwrap(), input.len() as u64);
        found
    }

    #[test]
    fn every_line_end_counts_once_and_the_last_line_may_have_none() {
        let whole = |text: &str| (text.to_owned(), End::Whole);
        assert_eq!(
            lines(b"a\r\nb\r\r\n\nc"),
            [whole("a"), whole("b"), whole(""), ("c".to_owned(), End::Cut)]
        );
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_without_end_costs_bounded_memory_and_is_cut() {
        let mut long = vec![b'x'; 3 << 20];
        long.extend_from_slice(b"\nnext\n");
        let found = lines(&long);
        assert_eq!((found[0].0.len(), found[0].1), (LONGEST, End::Cut));
        assert_eq!(found[1], ("next".to_owned(), End::Whole));
    }

    #[test]
    fn a_line_across_two_chunks_is_one_line() {
        let filler = "f".repeat(99) + "\n";
        let text = filler.repeat(super::BUFFER / 100 * 3);
        assert!(lines(text.as_bytes()).iter().all(|(line, end)| line.len() == 99 && *end == End::Whole));
    }
}
