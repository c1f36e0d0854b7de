//! Which packages there are, of which crates, and what each depends on: as cargo reads it.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// What cargo says of a workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    /// Whether it is looked at as a whole.
    #[serde(skip)]
    whole: bool,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// A dependency as a manifest has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev` or `build`; nothing for a normal one.
    pub(crate) kind: Option<String>,
    /// Where it is, if it is on this machine.
    pub(crate) path: Option<PathBuf>,
}

/// A crate of a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) src_path: PathBuf,
}

impl Workspace {
    /// Where its files are: the whole checkout, or the folders of those packages that were asked for.
    pub(crate) fn folders<'a>(&'a self, root: &'a Path) -> Vec<&'a Path> {
        match self.whole {
            true => vec![root],
            false => self.packages.iter().filter_map(|package| package.manifest_path.parent()).collect(),
        }
    }

    /// Leaves only the packages of these names; all, if there are none.
    pub(crate) fn only(&mut self, names: &[String]) {
        self.whole = names.is_empty();
        self.packages.retain(|package| self.whole || names.contains(&package.name));
    }

    /// Asks cargo about the workspace in a folder.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--no-deps", "--format-version", "1", "--offline"]).current_dir(root);
        let output = cargo.output().context("cannot start cargo")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata says")
    }
}
