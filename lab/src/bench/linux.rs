//! The initramfs of the Linux guest: busybox, and an init that says how long the kernel has been running.
//!
//! `/proc/uptime` counts from the kernel's first look at Xen's clock, early in its entry, so that it leaves a little
//! out in Linux's favour. The init's line is the first thing that a user of that guest could see.

use crate::release::Release;
use anyhow::{Context, Result};
use cpio::{NewcBuilder, newc::ModeFileType};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// What the line of the init begins with; seconds follow.
pub(crate) const MARK: &str = "linux: init runs after ";

const INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
read -r up idle < /proc/uptime
echo \"linux: init runs after $up s\"
/bin/busybox poweroff -f
";

/// Writes the initramfs into `folder`.
pub(crate) fn initramfs(release: &Release, folder: &Path) -> Result<PathBuf> {
    let busybox = release.read("bin/busybox")?;
    let mut bytes = Vec::new();
    for name in ["bin", "dev", "proc"] {
        add(&mut bytes, name, ModeFileType::Directory, &[])?;
    }
    add(&mut bytes, "bin/busybox", ModeFileType::Regular, &busybox)?;
    add(&mut bytes, "init", ModeFileType::Regular, INIT.as_bytes())?;
    cpio::newc::trailer(&mut bytes)?;
    let path = folder.join("linux.cpio");
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn add(out: &mut Vec<u8>, name: &str, kind: ModeFileType, data: &[u8]) -> Result<()> {
    let length = u32::try_from(data.len()).context("a file of 4 GiB or more")?;
    // The mode first: setting it clears the file type.
    let mut writer = NewcBuilder::new(name).mode(0o755).set_mode_file_type(kind).write(&mut *out, length);
    writer.write_all(data)?;
    writer.finish()?;
    Ok(())
}
