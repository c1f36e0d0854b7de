//! Where everything of the lab lives, and the fetching of what is missing.
//!
//! `scripts/fetch-xen` puts one Xen release below `target/lab/xen-VERSION/root`, `scripts/build-xen-debug` a debug
//! build beside it, `scripts/fetch-qemu` a QEMU where the machine has none; `dom0_image` makes the bootable files.
//! Nothing outside `target/` is written.

use crate::progress::{Progress, Step};
use anyhow::{Context, Result, bail};
use std::{
    env,
    ffi::OsStr,
    fmt, fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const QEMU: &str = "qemu-system-x86_64";

/// A Xen release, each with its own toolstack, libc and initial domain's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum XenVersion {
    #[value(name = "4.14")]
    V4_14,
    #[value(name = "4.17")]
    V4_17,
    // Release 4.17's toolstack and initial domain on a debug build of the hypervisor, which checks more. (No doc
    // comment: the help would list it at length.)
    #[value(name = "4.17-debug")]
    V4_17Debug,
    #[value(name = "4.20")]
    V4_20,
}

impl XenVersion {
    /// The release whose toolstack and initial domain are booted.
    pub(crate) fn release(self) -> Self {
        match self {
            Self::V4_17Debug => Self::V4_17,
            release => release,
        }
    }
}

impl fmt::Display for XenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4_14 => "4.14",
            Self::V4_17 => "4.17",
            Self::V4_17Debug => "4.17-debug",
            Self::V4_20 => "4.20",
        })
    }
}

/// The checkout that the command was started in.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    root: PathBuf,
}

impl Lab {
    /// Finds the checkout: the nearest folder upwards that has the fetching script.
    pub(crate) fn find() -> Result<Self> {
        let here = env::current_dir().context("the current folder is gone")?;
        match here.ancestors().find(|folder| folder.join("scripts/fetch-xen").is_file()) {
            Some(root) => Ok(Self { root: root.to_path_buf() }),
            None => bail!(
                "expected to be started inside the checkout, found no scripts/fetch-xen in or above {}: change there",
                here.display()
            ),
        }
    }

    /// A path of the checkout.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder of one Xen release.
    pub(crate) fn xen(&self, version: XenVersion) -> PathBuf {
        self.root.join(format!("target/lab/xen-{version}"))
    }

    /// Downloads a Xen release, and builds its debug build, unless that has been done.
    pub(crate) fn fetch(&self, version: XenVersion, progress: &Progress) -> Result<()> {
        let release = version.release();
        if !self.xen(release).join("root").is_dir() {
            self.script("fetch-xen", &release.to_string(), progress.step(format!("fetching Xen {release}")))?;
        }
        if version == XenVersion::V4_17Debug && !self.debug_hypervisor().is_file() {
            self.script("build-xen-debug", "", progress.step("building Xen 4.17-debug"))?;
        }
        Ok(())
    }

    /// The debug build of Xen, uncompressed.
    pub(crate) fn debug_hypervisor(&self) -> PathBuf {
        self.xen(XenVersion::V4_17Debug).join("xen")
    }

    /// The QEMU to start: the machine's, or one unpacked here.
    pub(crate) fn qemu(&self, progress: &Progress) -> Result<PathBuf> {
        if let Some(installed) = env::var_os("PATH").and_then(|path| in_path(QEMU, &path)) {
            return Ok(installed);
        }
        let unpacked = self.path("target/lab/qemu").join(QEMU);
        if !unpacked.is_file() {
            self.script("fetch-qemu", "", progress.step("fetching QEMU"))?;
        }
        Ok(unpacked)
    }

    /// Runs a fetching script; what it says is the step's progress.
    pub(crate) fn script(&self, name: &str, argument: &str, step: Step<'_>) -> Result<()> {
        let mut child = Command::new(self.path("scripts").join(name))
            .args(Some(argument).filter(|argument| !argument.is_empty()))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start scripts/{name}"))?;
        let mut said = Vec::new();
        for line in child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
            let line = line.with_context(|| format!("cannot read what scripts/{name} says"))?;
            step.say(&line);
            said.push(line);
        }
        let status = child.wait()?;
        if !status.success() {
            step.repeat(&said);
            bail!("scripts/{name}: expected exit code 0, found {status}: see its messages above");
        }
        step.done();
        Ok(())
    }
}

/// The program that a shell with this `PATH` would start.
fn in_path(program: &str, path: &OsStr) -> Option<PathBuf> {
    let starts = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(path).map(|folder| folder.join(program)).find(starts)
}

/// Makes an empty folder, removing what an earlier run left.
pub(crate) fn fresh_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

/// Gives a file a second name, or copies it where the file system has no hard links.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    let from = from.canonicalize().with_context(|| format!("no file at {}", from.display()))?;
    if fs::hard_link(&from, to).is_err() {
        fs::copy(&from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout whose fetching script answers with `script`, by a name of its own.
    fn checkout(name: &str, script: &str) -> Lab {
        let root = env::temp_dir().join(format!("revector-lab-{name}-{}", std::process::id()));
        fresh_folder(&root.join("scripts")).unwrap();
        let file = root.join("scripts/fetch-qemu");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        Lab { root }
    }

    #[test]
    fn only_a_file_that_can_be_started_is_found_in_the_path() {
        let lab = checkout("path", "");
        let [plain, program] = ["plain", "program"].map(|folder| lab.path(folder));
        for (folder, mode) in [(&plain, 0o644), (&program, 0o755)] {
            fresh_folder(folder).unwrap();
            fs::write(folder.join(QEMU), "").unwrap();
            fs::set_permissions(folder.join(QEMU), fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = env::join_paths([&plain, &program]).unwrap();
        assert_eq!(in_path(QEMU, &path), Some(program.join(QEMU)));
        assert_eq!(in_path(QEMU, plain.as_os_str()), None);
        fs::remove_dir_all(&lab.root).unwrap();
    }

    #[test]
    fn a_script_that_fails_is_named_and_one_that_speaks_much_is_read_to_its_end() {
        let lab = checkout("fails", "seq 3000 >&2; exit 3");
        let progress = Progress::default();
        let error = lab.script("fetch-qemu", "", progress.step("fetching")).unwrap_err().to_string();
        assert!(error.contains("scripts/fetch-qemu") && error.contains("exit status: 3"), "{error}");
        fs::remove_dir_all(&lab.root).unwrap();
    }

    #[test]
    fn a_debug_build_is_booted_with_its_releases_toolstack() {
        assert_eq!(XenVersion::V4_17Debug.release(), XenVersion::V4_17);
        assert_eq!(XenVersion::V4_20.release(), XenVersion::V4_20);
    }
}
