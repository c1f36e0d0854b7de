//! Unit tests of the newc reader.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;

fn put(archive: &mut Vec<u8>, magic: &str, name: &str, mode: u32, data: &[u8], check: u32) {
    let fields = [1, mode as usize, 0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, check as usize]
        .iter()
        .map(|value| format!("{value:08X}"))
        .collect::<String>();
    archive.extend_from_slice(magic.as_bytes());
    archive.extend_from_slice(fields.as_bytes());
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend_from_slice(data);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

fn sample() -> Vec<u8> {
    let mut archive = Vec::new();
    put(&mut archive, "070701", "lib", 0o040_755, b"", 0);
    put(&mut archive, "070701", "lib/hello.ko", 0o100_644, b"12345", 0);
    put(&mut archive, "070702", "a.o", 0o100_644, b"\x01\x02", 3);
    put(&mut archive, "070701", TRAILER, 0, b"", 0);
    archive
}

fn first_error(bytes: &[u8]) -> Option<NewcError> {
    Archive::open(bytes).map_or_else(Some, |archive| archive.entries().find_map(Result::err))
}

#[test]
fn entries_come_in_order_and_the_padding_after_the_trailer_is_ignored() {
    let mut bytes = sample();
    bytes.resize(bytes.len() + 10_000, 0);
    let archive = Archive::open(&bytes).unwrap();
    let entries = archive.entries().collect::<Result<Vec<_>, _>>().unwrap();
    let names = entries.iter().map(|entry| (entry.name, entry.kind)).collect::<Vec<_>>();
    assert_eq!(names, [("lib", Kind::Directory), ("lib/hello.ko", Kind::File), ("a.o", Kind::File)]);
    assert_eq!(entries[1].data, b"12345");
    let modules = entries.iter().filter_map(Entry::module_name).collect::<Vec<_>>();
    assert_eq!(modules, ["hello", "a"]);
}

#[test]
fn an_empty_and_a_blank_ramdisk_have_their_own_errors() {
    assert_eq!(first_error(&[]), Some(NewcError::Empty));
    assert_eq!(first_error(&[0; 9000]), Some(NewcError::Blank { bytes: 4096 }));
}

#[test]
fn a_compressed_ramdisk_is_named() {
    let error = first_error(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(error, NewcError::Magic { offset: 0, found: Format::Gzip });
    assert!(format!("{error}").contains("found a gzip stream"));
}

#[test]
fn a_bad_digit_is_named_with_its_field() {
    let mut bytes = sample();
    bytes[6 + 8 * 6 + 2] = b'g';
    assert_eq!(first_error(&bytes), Some(NewcError::Digit { offset: 56, field: "filesize", found: b'g' }));
}

#[test]
fn a_file_beyond_the_end_says_how_much_is_there() {
    let mut bytes = Vec::new();
    put(&mut bytes, "070701", "x", 0o100_644, b"12345678", 0);
    bytes.truncate(bytes.len() - 3);
    let short = NewcError::Short { offset: 112, what: "file", expected: 8, available: 5 };
    assert_eq!(first_error(&bytes), Some(short));
}

#[test]
fn a_missing_trailer_is_an_error_with_and_without_padding() {
    let mut bytes = Vec::new();
    put(&mut bytes, "070701", "x", 0o100_644, b"1234", 0);
    assert_eq!(first_error(&bytes), Some(NewcError::NoTrailer { offset: 116 }));
    bytes.resize(9000, 0);
    assert_eq!(first_error(&bytes), Some(NewcError::NoTrailer { offset: 116 }));
}

#[test]
fn names_must_be_text_with_nuls_at_the_end_only() {
    let mut bytes = sample();
    bytes[HEADER] = 0xff;
    assert_eq!(first_error(&bytes), Some(NewcError::NameText { offset: HEADER }));
    bytes[HEADER] = b'\n';
    assert_eq!(first_error(&bytes), Some(NewcError::NameText { offset: HEADER }));
    bytes[HEADER] = 0;
    assert_eq!(first_error(&bytes), Some(NewcError::NameNul { offset: HEADER }));
}

#[test]
fn a_name_may_be_padded_with_nuls_to_align_the_data() {
    let mut bytes = Vec::new();
    put(&mut bytes, "070701", "a.o\0\0\0\0\0", 0o100_644, b"12345", 0);
    put(&mut bytes, "070701", TRAILER, 0, b"", 0);
    let entry = Archive::open(&bytes).unwrap().entries().next().unwrap().unwrap();
    assert_eq!((entry.name, entry.module_name(), entry.data), ("a.o", Some("a"), &b"12345"[..]));
}

fn third(bytes: &[u8]) -> Entry<'_> {
    Archive::open(bytes).unwrap().entries().nth(2).unwrap().unwrap()
}

#[test]
fn the_checksum_is_checked_on_demand() {
    let mut bytes = sample();
    assert_eq!(third(&bytes).verify(), Ok(()));
    let at = third(&bytes).offset + HEADER + 6;
    bytes[at] ^= 4;
    assert!(matches!(third(&bytes).verify(), Err(NewcError::Checksum { expected: 3, found: 7, .. })));
}

#[test]
fn every_truncation_is_an_error_down_to_the_padding_of_the_trailer() {
    let bytes = sample();
    for len in 0..bytes.len() - 3 {
        assert!(first_error(&bytes[..len]).is_some(), "{len}");
    }
}
