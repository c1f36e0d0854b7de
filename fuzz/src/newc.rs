//! Any bytes as an archive: walked to its end without a panic, and as another reader walks it.

use std::io::Read;

use cpio::newc::Reader;
use revector::module::{Archive, Entry, NewcError};

use super::assert_one_line;

/// Shortest entry: a header, a name of one letter, its padding.
const ENTRY_MIN: usize = 112;

/// Walks `data` as a newc archive.
pub fn run(data: &[u8]) {
    let entries = Archive::open(data).map(|archive| archive.entries().collect::<Vec<_>>());
    match entries.and_then(|entries| entries.into_iter().collect::<Result<Vec<_>, NewcError>>()) {
        Err(error) => assert_one_line(&error),
        Ok(entries) => {
            assert!(entries.len() * ENTRY_MIN <= data.len());
            assert!(entries.is_sorted_by_key(|entry| entry.offset));
            assert_same_as_other_reader(data, &entries);
        }
    }
}

/// What is accepted here must be accepted there, and be the same.
fn assert_same_as_other_reader(data: &[u8], entries: &[Entry<'_>]) {
    // The other reader wants the padding of the trailer too.
    let mut rest = data.to_vec();
    rest.extend([0; 3]);
    let mut rest = rest.as_slice();
    for entry in entries {
        let mut reader = Reader::new(rest).expect("the other reader accepts the header");
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("the other reader finds the data");
        assert_eq!((reader.entry().name(), bytes.as_slice()), (entry.name, entry.data));
        let sum = bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        let holds = reader.entry().checksum().is_none_or(|checksum| checksum == sum);
        assert_eq!(entry.verify().is_ok(), holds, "{}", entry.name);
        rest = reader.finish().expect("the other reader finds the padding");
    }
    let trailer = Reader::new(rest).expect("the other reader finds the trailer");
    assert!(trailer.entry().is_trailer());
}
