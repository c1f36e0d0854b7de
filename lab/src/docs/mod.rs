//! `pvlab docs`: keeps the transcripts, figures and sources that documents show equal to what they are taken from.
//!
//! A comment before a block, fenced or a table, says where its lines come from:
//!
//! ```text
//! <!-- capture: make run CMDLINE=p3m=copy; suite: unknown-key -->    lines that a command prints
//! <!-- capture: make bench; file: target/bench/bench.md -->          lines of a file that a long command writes
//! <!-- include: examples/hello/src/main.rs -->                       a whole file
//! <!-- include: docs/benchmarks.md#times -->                         the block after <!-- mark: times --> there
//!
//! mod -> page (blocks and their comments) -> outputs (commands, logs, files) -> fit (which line is which)
//! ```
//!
//! `...` stands for lines left out; all others must follow one another in the output. Numbers may differ from run to
//! run, words may not: a line that is gone from the output ends the verb with its place in the document. With
//! `--check` nothing is written, and boots are not repeated: the suite's console logs have the same lines.

mod comment;
mod fit;
mod outputs;
mod page;

use crate::lab::Lab;
use anyhow::{Context, Result, bail};
use clap::Args;
use comment::{Capture, Source};
use outputs::{Mode, Outputs};
use page::{Block, Page};
use pv_layout::{input, note};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Capture again what the documents show, or check that it is still true.
#[derive(Debug, Args)]
#[command(after_help = "Example: which transcripts are out of date, after `make test-xen`\n  \
    pvlab docs --check")]
pub(crate) struct DocsArgs {
    /// Write nothing; take boots from the suite's logs.
    #[arg(long)]
    check: bool,
    /// Only these documents, instead of all in the checkout.
    files: Vec<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(lab: &Lab, args: &DocsArgs) -> Result<ExitCode> {
    let mode = if args.check { Mode::Check } else { Mode::Write };
    let files = if args.files.is_empty() { documents(&lab.path(""))? } else { args.files.clone() };
    let mut outputs = Outputs::new(lab.path(""), mode);
    let mut complaints = Vec::new();
    for file in &files {
        complaints.extend(document(file, mode, &mut outputs)?);
    }
    complaints.iter().for_each(|complaint| note!("{complaint}"));
    if !complaints.is_empty() {
        bail!("{} blocks are not what they are said to be: make docs, or mend the text", complaints.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// Every document of the checkout. Those at the top come last: they include parts of the others.
fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![root.join("docs")];
    for parent in ["crates", "examples"] {
        folders.extend(entries(&root.join(parent))?);
    }
    folders.push(root.to_path_buf());
    let files = folders.iter().filter(|folder| folder.is_dir()).map(|folder| entries(folder));
    let mut files: Vec<_> = files.collect::<Result<Vec<_>>>()?.concat();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Brings one document up to date, or compares it; what could not be is returned.
fn document(file: &Path, mode: Mode, outputs: &mut Outputs) -> Result<Vec<String>> {
    let text = input::text(file)?;
    let mut page = Page::parse(&text).with_context(|| format!("cannot read {}", file.display()))?;
    let mut complaints = Vec::new();
    for block in page.blocks().to_vec().iter().rev() {
        match fresh(&page, block, outputs) {
            Ok(lines) => page.replace(block, &lines),
            Err(error) => complaints.push(format!("{}:{error:#}", file.display())),
        }
    }
    if mode == Mode::Write && page.text() != text {
        fs::write(file, page.text()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    complaints.reverse();
    Ok(complaints)
}

/// What the lines of a block should be.
fn fresh(page: &Page, block: &Block, outputs: &mut Outputs) -> Result<Vec<String>> {
    let shown = page.lines(block);
    match &block.source {
        Source::Capture(capture) => captured(shown, block, capture, outputs),
        Source::Include { file, mark } => included(shown, block, file, mark.as_deref(), outputs),
    }
}

fn captured(
    shown: &[String],
    block: &Block,
    capture: &Capture,
    outputs: &mut Outputs,
) -> Result<Vec<String>> {
    let Some(output) = outputs.of(capture).with_context(|| block.first.to_string())? else {
        return Ok(shown.to_vec());
    };
    fit::fit(shown, output, &capture.vary).map_err(|missing| {
        let line = block.first + missing.0;
        anyhow::anyhow!("{line}: `{}` does not print this line: {}", capture.command, shown[missing.0])
    })
}

fn included(
    shown: &[String],
    block: &Block,
    file: &Path,
    mark: Option<&str>,
    outputs: &Outputs,
) -> Result<Vec<String>> {
    let lines = outputs.file(file, mark).with_context(|| block.first.to_string())?;
    if outputs.mode() == Mode::Check && lines != shown {
        bail!("{}: this is not what {} has", block.first, file.display());
    }
    Ok(lines)
}
