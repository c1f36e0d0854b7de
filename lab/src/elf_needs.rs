//! Which other files a program or a kernel module cannot do without.
//!
//! The initial domain's image holds only what the toolstack's programs are linked with (`DT_NEEDED`) and what a few
//! kernel modules depend on (`depends=` in `.modinfo`). `dom0_image` follows both.

use anyhow::Result;
use object::{
    Endianness, FileKind,
    elf::{DT_NEEDED, FileHeader64},
    read::elf::{Dyn, FileHeader},
};

/// The libraries that an ELF file is linked with; none for any other file.
pub fn libraries(data: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if !matches!(FileKind::parse(data), Ok(FileKind::Elf64)) {
        return Ok(names);
    }
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    if let Some((entries, link)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == DT_NEEDED) {
            names.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
        }
    }
    Ok(names)
}

/// The modules that a kernel module needs loaded before it.
pub fn modules(data: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"depends=";
    let Some(start) = data.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = data[start + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(value).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{libraries, modules};

    #[test]
    fn a_modules_dependencies_are_read_from_its_information() {
        assert_eq!(modules(b"\0license=GPL\0depends=netfs,9pnet\0name=9p\0"), ["netfs", "9pnet"]);
        assert!(modules(b"depends=\0").is_empty());
    }

    #[test]
    fn a_script_needs_no_library() {
        assert!(libraries(b"#!/bin/sh\n").unwrap().is_empty());
    }

    #[test]
    fn this_program_needs_libc() {
        let data = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(libraries(&data).unwrap().iter().any(|name| name.starts_with("libc.so")));
    }
}
