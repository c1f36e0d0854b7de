//! What a guest is given as its ramdisk, and how it is written on the command line.
//!
//! A sized ramdisk is an optional newc archive followed by zeros. `predict` asks for its length only; who boots guests
//! makes it.

use crate::sizes::{self, Size};
use anyhow::{Result, bail};
use std::{fs, path::PathBuf, str::FromStr};

/// A guest's ramdisk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ramdisk {
    None,
    /// A file on the host, given as it is.
    File(PathBuf),
    /// So many bytes: an archive, if one is given beside it, then zeros.
    Sized {
        bytes: u64,
    },
}

impl Ramdisk {
    /// How many bytes the initial domain must hold to build a guest with it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::File(path) => fs::metadata(path).map_or(0, |meta| meta.len()),
            Self::Sized { bytes } => *bytes,
        }
    }
}

impl FromStr for Ramdisk {
    type Err = anyhow::Error;

    /// Reads `none`, a size (`300M`, `1p` for pages, `12345b`; a bare number is MiB) or the name of a file.
    fn from_str(text: &str) -> Result<Self> {
        if text == "none" || text.is_empty() {
            return Ok(Self::None);
        }
        match sizes::parse(text) {
            Some(Size(0)) => bail!("ramdisk '{text}': expected at least one byte; write none for no ramdisk"),
            Some(Size(bytes)) => return Ok(Self::Sized { bytes }),
            None => {}
        }
        let path = PathBuf::from(text);
        let found = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => return Ok(Self::File(path)),
            Ok(meta) if meta.is_dir() => "a folder: pack it with cpio -H newc",
            Ok(_) => "a device or a pipe: copy it to a file",
            Err(_) => "none of that name: check the path",
        };
        bail!("ramdisk '{text}': expected none, a size (300M, 1G, 0x10784p, 12345b) or a file, found {found}")
    }
}

#[cfg(test)]
mod tests {
    use super::Ramdisk;

    fn sized(text: &str) -> Option<u64> {
        match text.parse().ok()? {
            Ramdisk::Sized { bytes } => Some(bytes),
            _ => None,
        }
    }

    #[test]
    fn sizes_are_mib_pages_or_bytes() {
        assert_eq!(sized("300M"), Some(300 << 20));
        assert_eq!(sized("300"), Some(300 << 20));
        assert_eq!(sized("1p"), Some(4096));
        assert_eq!(sized("0x10784p"), Some(0x1_0784 * 4096));
        assert_eq!(sized("12345b"), Some(12345));
    }

    #[test]
    fn nonsense_is_refused_with_the_accepted_forms() {
        for text in ["0M", "12x", "99999999999999999999M", "no-such-file"] {
            let error = text.parse::<Ramdisk>().unwrap_err().to_string();
            assert!(error.contains("expected"), "{text}: {error}");
        }
        assert_eq!("none".parse::<Ramdisk>().unwrap(), Ramdisk::None);
    }
}
