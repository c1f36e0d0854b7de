//! `pvlab walls`: whether packages and files keep to their boundaries.
//!
//! ```text
//! cargo metadata -> arrows       no crate depends on one above it
//!                -> names, scan  -> circles    no files of a crate import each other in a circle
//!                -> sizes                      no file above 300 lines, no function above 60
//! ```
//!
//! There is no list of exceptions. Tests are on top of everything: what is only compiled for them makes no circle, and
//! a dev-dependency is no arrow.

mod arrows;
mod circles;
mod names;
mod scan;
mod sizes;
mod workspace;

use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use clap::Args;
use names::Crate;
use pv_layout::{out, report::Verdict};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use workspace::Workspace;

/// Check that arrows between crates go down, files do not import in circles, files and functions are short.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 all walls stand, 5 one does not; 1 and 2 are the command's own.\n\n\
    Example: only one crate\n  pvlab walls --package pv-layout")]
pub(crate) struct WallsArgs {
    /// Only this package; may be repeated.
    #[arg(long, value_name = "NAME")]
    package: Vec<String>,
    /// The checkout to look at.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &WallsArgs) -> Result<ExitCode> {
    let root = match &args.root {
        Some(root) => root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?,
        None => Lab::find()?.path("").canonicalize()?,
    };
    let mut workspace = Workspace::of(&root)?;
    workspace.only(&args.package);
    ensure!(
        !workspace.packages.is_empty(),
        "expected the name of a package of the workspace, found none such"
    );
    let found = complaints(&workspace, &root)?;
    for complaint in &found {
        out!("{complaint}");
    }
    out!("{} packages, {} complaints", workspace.packages.len(), found.len());
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Verdict::Problem.exit_code()) })
}

/// Every boundary that is not kept, in a line or a few.
fn complaints(workspace: &Workspace, root: &Path) -> Result<Vec<String>> {
    let mut found = arrows::complaints(&workspace.packages);
    for target in workspace.packages.iter().flat_map(|package| &package.targets) {
        let read = Crate::read(&target.src_path)?;
        let imports = read.imports();
        found.extend(circles::circles(&imports).iter().map(|circle| complaint(circle, root)));
    }
    for folder in workspace.folders(root) {
        found.extend(sizes::complaints(folder, root)?);
    }
    Ok(found)
}

fn complaint(circle: &[&names::Import], root: &Path) -> String {
    let line = |import: &&names::Import| {
        let (from, to) = (short(&import.from, root).display(), short(&import.to, root).display());
        format!("\n    {from}:{}: {} is in {to}", import.line, import.what)
    };
    format!("circle of {} files:{}", circle.len(), circle.iter().map(line).collect::<String>())
}

fn short<'a>(path: &'a Path, root: &Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}
