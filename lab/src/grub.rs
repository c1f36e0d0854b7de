//! A GRUB that boots one image: a PV kernel for the toolstack, and the domain builder of what it boots.
//!
//! GRUB runs as the guest and then makes page tables, P2M and start_info for the image in the same domain, by rules of
//! its own. Image, ramdisk and `grub.cfg` are in an archive inside it, its memdisk, so that it needs no disk. `guest`
//! asks for one; `scripts/fetch-grub` brings the program that makes it.
//!
//! Sources: GRUB's manual, "memdisk" and "normal"; what its loader does is in grub-core/loader/i386/xen.c.

use crate::{
    lab::{Lab, link_or_copy},
    progress::Progress,
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the embedded configuration needs before it can read another.
const MODULES: [&str; 5] = ["memdisk", "tar", "normal", "linux", "halt"];
/// Names in the memdisk.
const IMAGE: &str = "image";
const RAMDISK: &str = "ramdisk";
const CONFIGURATION: &str = "grub.cfg";

/// A release of GRUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum GrubVersion {
    /// As Debian 11 has it today; it was released with 2.04, which Debian does not offer any more.
    V2_06Debian11,
    V2_06,
    V2_12,
}

impl fmt::Display for GrubVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V2_06Debian11 => "2.06-debian11",
            Self::V2_06 => "2.06",
            Self::V2_12 => "2.12",
        })
    }
}

/// What can make a GRUB of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grub {
    folder: PathBuf,
}

impl Grub {
    /// A release of GRUB, fetched first unless that has been done.
    pub(crate) fn ready(lab: &Lab, version: GrubVersion, progress: &Progress) -> Result<Self> {
        let folder = lab.path("target/lab").join(format!("grub-{version}"));
        if !folder.is_dir() {
            lab.script(
                "fetch-grub",
                &version.to_string(),
                progress.step(format!("fetching GRUB {version}")),
            )?;
        }
        Ok(Self { folder })
    }

    /// Makes a GRUB at `output` that boots the image with this command line; what is in it is put below `folder`
    /// first, where a ramdisk may be already.
    pub(crate) fn make(&self, disk: &Memdisk, image: &Path, cmdline: &str, output: &Path) -> Result<()> {
        link_or_copy(image, &disk.folder.join(IMAGE))?;
        let ramdisk = disk.ramdisk().is_file().then_some(RAMDISK);
        fs::write(disk.folder.join(CONFIGURATION), configuration(cmdline, ramdisk)?)?;
        let archive = disk.archive()?;
        let first = disk.folder.with_extension("cfg");
        fs::write(&first, format!("normal (memdisk)/{CONFIGURATION}\n"))?;
        let mut mkimage = Command::new(self.folder.join("grub-mkimage"));
        mkimage.args(["--format", "x86_64-xen", "--prefix", "(memdisk)/"]);
        mkimage.arg("--directory").arg(self.folder.join("modules")).arg("--config").arg(first);
        succeed(mkimage.arg("--memdisk").arg(archive).arg("--output").arg(output).args(MODULES))
    }
}

/// The files inside a GRUB.
#[derive(Debug)]
pub(crate) struct Memdisk {
    folder: PathBuf,
}

impl Memdisk {
    /// Files that will be put into `folder`, which is made.
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Where the ramdisk is, if the guest is to have one.
    pub(crate) fn ramdisk(&self) -> PathBuf {
        self.folder.join(RAMDISK)
    }

    fn archive(&self) -> Result<PathBuf> {
        let archive = self.folder.with_extension("tar");
        let mut tar = Command::new("tar");
        tar.args(["--create", "--format=ustar", "--hard-dereference"]).arg("--directory").arg(&self.folder);
        succeed(tar.arg("--file").arg(&archive).args([".", "--transform=s,^[.]/,,"]))?;
        Ok(archive)
    }
}

/// Boots the image; where that fails the guest is shut down, after GRUB's message on its console.
fn configuration(cmdline: &str, ramdisk: Option<&str>) -> Result<String> {
    if cmdline.contains('\'') {
        bail!("command line {cmdline:?}: expected no single quote in it, GRUB's script has it in such");
    }
    let words: String = cmdline.split_whitespace().map(|word| format!(" '{word}'")).collect();
    let initrd = ramdisk.map(|name| format!("initrd (memdisk)/{name}\n")).unwrap_or_default();
    Ok(format!("linux (memdisk)/{IMAGE}{words}\n{initrd}boot\nhalt\n"))
}

fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: expected exit code 0, found {}: {said}", output.status);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::configuration;

    #[test]
    fn each_word_of_the_command_line_is_quoted() {
        let with = configuration("p2m=alias  hello.param=$x", Some("ramdisk")).unwrap();
        assert_eq!(
            with,
            "linux (memdisk)/image 'p2m=alias' 'hello.param=$x'\ninitrd (memdisk)/ramdisk\nboot\nhalt\n"
        );
        assert_eq!(configuration("", None).unwrap(), "linux (memdisk)/image\nboot\nhalt\n");
        assert!(configuration("it's", None).is_err());
    }
}
