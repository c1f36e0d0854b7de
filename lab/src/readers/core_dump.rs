//! The P2M in a file of `xl dump-core`: an ELF core with sections, one of them pairs of page and frame.
//!
//! The file is as large as the guest, most of it `.xen_pages`. The initial domain keeps what is before and after these
//! (`scripts/dom0-init`); here both parts go to their places in a file with a hole, which any reader of ELF files
//! accepts. `.xen_p2m` has two words for each page that was dumped, its number and its frame; both are all ones for a
//! page that could not be read. Source: xen.git docs/misc/dump-core-format.txt; order of the sections seen on 4.14,
//! 4.17 and 4.20.

use super::pairs::{Pair, Pairs};
use anyhow::{Context, Result, ensure};
use object::{
    Endianness, ReadCache, ReadRef,
    elf::FileHeader64,
    read::elf::{FileHeader, SectionHeader},
};
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// Puts both parts of a dump into a file `core` with a hole between them.
pub(super) fn assemble(folder: &Path) -> Result<PathBuf> {
    let piece = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (head, tail) = (piece("core.head")?, piece("core.tail")?);
    let end = end(head.as_slice()).context("in core.head")?;
    let start = end.checked_sub(tail.len() as u64).filter(|start| *start >= head.len() as u64);
    let start =
        start.with_context(|| format!("expected a core.tail within {end} bytes, found {}", tail.len()))?;
    let path = folder.join("core");
    let mut file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(&head)?;
    file.seek(SeekFrom::Start(start))?;
    file.write_all(&tail)?;
    Ok(path)
}

/// Where the last section ends.
fn end<'data>(head: impl ReadRef<'data>) -> Result<u64> {
    let header = FileHeader64::<Endianness>::parse(head)?;
    let endian = header.endian()?;
    let ends = header.section_headers(endian, head)?.iter();
    let end = ends.filter_map(|section| section.sh_offset(endian).checked_add(section.sh_size(endian))).max();
    end.context("expected sections, found none")
}

/// Reads the pairs of a dump.
pub(super) fn read(path: &Path) -> Result<Pairs> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    pairs(&ReadCache::new(file)).with_context(|| format!("in {}", path.display()))
}

fn pairs<'data>(dump: impl ReadRef<'data>) -> Result<Pairs> {
    let header = FileHeader64::<Endianness>::parse(dump)?;
    let endian = header.endian()?;
    let section = header.sections(endian, dump)?.section_by_name(endian, b".xen_p2m");
    let (_, section) = section.context("expected a section .xen_p2m, found none")?;
    let words = section.data(endian, dump)?;
    ensure!(
        section.sh_entsize(endian) == 16 && words.len().is_multiple_of(16),
        "expected a .xen_p2m of entries of 16 bytes, found {} bytes in entries of {}",
        words.len(),
        section.sh_entsize(endian)
    );
    let all = words.chunks_exact(16).map(pair);
    Ok(Pairs { present: all.filter(|pair| pair.pfn != u64::MAX).collect(), missing: None })
}

fn pair(entry: &[u8]) -> Pair {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    Pair { pfn: word(&entry[..8]), mfn: word(&entry[8..]) }
}

#[cfg(test)]
mod tests {
    use super::{Pair, assemble, read};
    use crate::lab::fresh_folder;
    use std::{env, fs, path::PathBuf};

    const NAMES: &[u8] = b"\0.xen_pages\0.xen_p2m\0.shstrtab\0";
    /// Where the pages end and the pairs begin.
    const PAIRS: u64 = 0x5000;

    /// A header of a section as Xen's libraries write it.
    fn section(name: u32, kind: u32, offset: u64, size: u64, entry: u64) -> Vec<u8> {
        let mut bytes = [name.to_le_bytes(), kind.to_le_bytes()].concat();
        bytes.extend([0, 0, offset, size, 0, 8, entry].iter().flat_map(|word: &u64| word.to_le_bytes()));
        bytes
    }

    /// The first page of a dump of four pages, and all that follows these.
    fn dump(entries: &[[u64; 2]]) -> [Vec<u8>; 2] {
        let pairs: Vec<u8> = entries.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        let (size, names) = (pairs.len() as u64, NAMES.len() as u64);
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(16, 0);
        head.extend([4_u16, 62].iter().flat_map(|half| half.to_le_bytes()));
        head.extend(1_u32.to_le_bytes());
        head.extend([0_u64, 0, 64].iter().flat_map(|word| word.to_le_bytes()));
        head.extend(0_u32.to_le_bytes());
        head.extend([64_u16, 0, 0, 64, 4, 3].iter().flat_map(|half| half.to_le_bytes()));
        head.extend(section(0, 0, 0, 0, 0));
        head.extend(section(1, 1, 0x1000, PAIRS - 0x1000, 4096));
        head.extend(section(12, 1, PAIRS, size, 16));
        head.extend(section(21, 3, PAIRS + size, names, 0));
        head.resize(4096, 0);
        [head, [pairs, NAMES.to_vec()].concat()]
    }

    fn folder(name: &str, [head, tail]: &[Vec<u8>; 2]) -> PathBuf {
        let folder = env::temp_dir().join(format!("revector-readers-{name}-{}", std::process::id()));
        fresh_folder(&folder).unwrap();
        fs::write(folder.join("core.head"), head).unwrap();
        fs::write(folder.join("core.tail"), tail).unwrap();
        folder
    }

    #[test]
    fn both_parts_are_put_where_the_headers_say() {
        let folder = folder("whole", &dump(&[[0, 0x1000], [1, 0x1001], [u64::MAX, u64::MAX]]));
        let file = assemble(&folder).unwrap();
        assert_eq!(
            read(&file).unwrap().present,
            [Pair { pfn: 0, mfn: 0x1000 }, Pair { pfn: 1, mfn: 0x1001 }]
        );
        assert_eq!(fs::metadata(&file).unwrap().len(), PAIRS + 48 + NAMES.len() as u64);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_dump_that_stopped_early_is_an_error() {
        let [head, mut tail] = dump(&[[0, 0x1000], [1, 0x1001]]);
        tail.truncate(40);
        let cut = folder("cut", &[head.clone(), tail]);
        let error = assemble(&cut).and_then(|file| read(&file)).unwrap_err().to_string();
        assert!(error.contains("core"), "{error}");
        fs::remove_dir_all(&cut).unwrap();
        let empty = folder("empty", &[Vec::new(), head]);
        assert!(assemble(&empty).is_err());
        fs::remove_dir_all(&empty).unwrap();
    }
}
