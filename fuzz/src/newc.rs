//! Any bytes as an archive: walked to its end without a panic, and as another reader walks it.

use std::io::{Error, Read};

use cpio::newc::Reader;
use ko_loader::{Archive, Entry, NewcError};

use super::assert_one_line;

/// Shortest entry: a header, a name of one letter, its padding.
const ENTRY_MIN: usize = 112;

/// Name, content, and whether the content adds up to its checksum.
type Seen = (String, Vec<u8>, bool);

/// Walks `data` as a newc archive.
pub fn run(data: &[u8]) {
    let entries = Archive::open(data).map(|archive| archive.entries().collect::<Vec<_>>());
    let ours = entries.and_then(|entries| entries.into_iter().collect::<Result<Vec<_>, NewcError>>());
    match ours {
        Ok(entries) => {
            assert!(entries.len() * ENTRY_MIN <= data.len());
            assert!(entries.is_sorted_by_key(|entry| entry.offset));
            let ours: Vec<Seen> = entries.iter().map(seen).collect();
            // The other reader also requires the padding after the trailer's name, which is not needed.
            let theirs = walk(data).or_else(|_| walk(&[data, &[0; 3]].concat()));
            assert_eq!(theirs.expect("the other reader accepts it"), ours);
        }
        Err(error) => {
            assert_one_line(&error);
            assert!(is_stricter(&error) || walk(data).is_err(), "only the other reader accepts it: {error}");
        }
    }
}

/// What is refused here on purpose, though the other reader takes it: names with NULs inside, with control
/// characters, longer than a path; numbers with a sign.
const fn is_stricter(error: &NewcError) -> bool {
    use NewcError::{Digit, NameLength, NameNul, NameText};
    matches!(error, NameNul { .. } | NameText { .. } | NameLength { .. } | Digit { found: b'+', .. })
}

fn seen(entry: &Entry<'_>) -> Seen {
    (entry.name.to_owned(), entry.data.to_vec(), entry.verify().is_ok())
}

/// Walks `data` with the other reader, up to the trailer.
fn walk(data: &[u8]) -> Result<Vec<Seen>, Error> {
    let mut rest = data;
    let mut found = Vec::new();
    loop {
        let mut reader = Reader::new(rest)?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        if bytes.len() != reader.entry().file_size() as usize {
            return Err(Error::other("it takes a file that is cut off"));
        }
        if reader.entry().is_trailer() {
            return Ok(found);
        }
        let sum = bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        let holds = reader.entry().checksum().is_none_or(|checksum| checksum == sum);
        found.push((reader.entry().name().to_owned(), bytes, holds));
        rest = reader.finish()?;
    }
}
