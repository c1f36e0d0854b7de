//! Any bytes as a gzip stream: the same bytes come out as from another implementation, or neither takes it.

use std::io::{Error, Read};

use flate2::read::GzDecoder;
use ko_loader::gunzip::{self, GzipError};

use super::assert_one_line;

/// Beyond this the two are not compared: a small input can unpack to gigabytes.
const COMPARED: u64 = 32 << 20;

/// Unpacks `data`.
pub fn run(data: &[u8]) {
    match gunzip::measure(data) {
        Ok(len) => {
            assert!(len <= gunzip::UNPACKED_MAX);
            if len <= COMPARED {
                assert_eq!(theirs(data).expect("the other one accepts it"), ours(data, len));
            }
        }
        Err(error) => {
            assert_one_line(&error);
            assert!(is_stricter(&error) || theirs(data).is_err(), "only the other one accepts it: {error}");
        }
    }
}

/// Pieces must come in order and without gaps, for the area that they fill.
fn ours(data: &[u8], len: u64) -> Vec<u8> {
    let mut unpacked = Vec::new();
    let sink = |offset: u64, bytes: &[u8]| {
        assert_eq!(offset, unpacked.len() as u64);
        unpacked.extend(bytes);
    };
    gunzip::unpack(data, sink).expect("what was measured unpacks");
    assert_eq!(unpacked.len() as u64, len);
    unpacked
}

fn theirs(data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut unpacked = Vec::new();
    GzDecoder::new(data).take(COMPARED + 1).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

/// What is refused here on purpose, though the other one takes it.
const fn is_stricter(error: &GzipError) -> bool {
    matches!(error, GzipError::TooBig)
}
