//! Where everything of the lab lives, and the fetching of what is missing.
//!
//! `scripts/fetch-xen` puts one Xen release below `target/lab/xen-VERSION/root`; `dom0_image` makes the bootable
//! files from it. Nothing outside `target/` is written.

use crate::progress::Progress;
use anyhow::{Context, Result, bail};
use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A Xen release, each with its own toolstack, libc and initial domain's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum XenVersion {
    #[value(name = "4.14")]
    V4_14,
    #[value(name = "4.17")]
    V4_17,
    #[value(name = "4.20")]
    V4_20,
}

impl fmt::Display for XenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4_14 => "4.14",
            Self::V4_17 => "4.17",
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

    /// Downloads a Xen release and installs QEMU, unless that has been done.
    pub(crate) fn fetch(&self, version: XenVersion, progress: &Progress) -> Result<()> {
        let fetched = self.xen(version).join("root").is_dir();
        if fetched && in_path("qemu-system-x86_64") {
            return Ok(());
        }
        let step = progress.step(format!("fetching Xen {version}"));
        let status = Command::new(self.path("scripts/fetch-xen"))
            .arg(version.to_string())
            .status()
            .context("cannot start scripts/fetch-xen")?;
        if !status.success() {
            bail!("scripts/fetch-xen {version}: expected exit code 0, found {status}: see its message above");
        }
        step.done();
        Ok(())
    }
}

fn in_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
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
