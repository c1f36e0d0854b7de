//! What a guest is given as its ramdisk, and how it is written on the command line.
//!
//! A sized ramdisk is an optional newc archive followed by zeros. It is made where it is needed, sparse, so that a
//! ramdisk of half a GiB costs no disk and no copying: in the initial domain for a guest, on the host for a direct
//! boot. `session` and `direct` use it.

use crate::sizes::{self, Size};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    str::FromStr,
};

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
    pub(crate) fn bytes(&self) -> u64 {
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

/// Writes a sized ramdisk: the archive, then a hole up to `bytes`.
pub(crate) fn write_sized(target: &Path, archive: Option<&Path>, bytes: u64) -> Result<()> {
    let _ = fs::remove_file(target);
    if let Some(archive) = archive {
        check_fits(archive, bytes)?;
        fs::copy(archive, target).with_context(|| format!("cannot copy {}", archive.display()))?;
    }
    let file = File::options().write(true).create(true).truncate(false).open(target)?;
    file.set_len(bytes).with_context(|| format!("cannot make {} {bytes} bytes long", target.display()))
}

/// Refuses an archive that is longer than the ramdisk it is to be the head of.
pub(crate) fn check_fits(archive: &Path, bytes: u64) -> Result<()> {
    let length = fs::metadata(archive).with_context(|| format!("no archive at {}", archive.display()))?.len();
    if length > bytes {
        bail!(
            "archive {}: expected at most {bytes} bytes (the ramdisk's size), found {length}: make the ramdisk larger",
            archive.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Ramdisk, write_sized};

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

    #[test]
    fn a_sized_ramdisk_is_the_archive_and_then_zeros() {
        let folder = std::env::temp_dir().join(format!("revector-ramdisk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (archive, target) = (folder.join("archive"), folder.join("ramdisk"));
        std::fs::write(&archive, b"070701").unwrap();
        write_sized(&target, Some(&archive), 5000).unwrap();
        let written = std::fs::read(&target).unwrap();
        assert_eq!((written.len(), &written[..6]), (5000, &b"070701"[..]));
        assert!(written[6..].iter().all(|byte| *byte == 0));
        assert!(write_sized(&target, Some(&archive), 5).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
