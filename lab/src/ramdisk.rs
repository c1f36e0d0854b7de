//! Makes a sized ramdisk: an optional newc archive followed by zeros.
//!
//! It is made where it is needed, sparse, so that a ramdisk of half a GiB costs no disk and no copying: in the initial
//! domain for a guest, on the host for a direct boot. `session` and `direct` use it.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    path::Path,
};

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
    let length = fs::metadata(archive)
        .with_context(|| format!("cannot read the archive {}", archive.display()))?
        .len();
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
    use super::write_sized;

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
