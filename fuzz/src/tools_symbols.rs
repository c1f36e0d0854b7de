//! Any bytes as an ELF file for the host command: names put into an image, libraries and memory needed.

use pv_layout::need;
use pvlab::{elf_needs, symbols};

const HEADER: usize = 16;
const ENTRY: usize = 16;

/// Reads `data` as an image, a program and a kernel module.
pub fn run(data: &[u8]) {
    let mut image = data.to_vec();
    match symbols::embed_into(&mut image) {
        Err(error) => assert!(!format!("{error:#}").is_empty() && image == data),
        Ok(place) => {
            assert!(image[..place.start] == data[..place.start] && image[place.end..] == data[place.end..]);
            assert_readable(&image[place]);
        }
    }
    elf_needs::modules(data);
    drop(elf_needs::libraries(data));
    drop(need::least_for_image(data, data.len() as u64));
}

/// Reads a table of names as the image's `xen::rt::symbols` does.
fn assert_readable(table: &[u8]) {
    let word = |at: usize| u32::from_le_bytes(table[at..at + 4].try_into().expect("four bytes")) as usize;
    assert!(table.starts_with(b"KSYMS1\0\0"));
    let (count, names_at) = (word(8), word(12));
    assert_eq!(names_at, HEADER + ENTRY * count);
    let mut before = None;
    for entry in (0..count).map(|index| HEADER + ENTRY * index) {
        let (start, name_at, length) = (word(entry), names_at + word(entry + 8), word(entry + 12));
        assert!(before.is_none_or(|before| before < start), "sorted by address, no address twice");
        before = Some(start);
        assert!(std::str::from_utf8(&table[name_at..name_at + length]).is_ok());
    }
}
