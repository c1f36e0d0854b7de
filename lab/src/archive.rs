//! Makes a newc archive of modules: the head of a ramdisk.
//!
//! The guest reads the archive with its own reader; this one writes it with a library that is not this project's. Part
//! of building the image (`make`), before `run` puts it into a ramdisk.

use anyhow::{Context, Result};
use clap::Args;
use cpio::newc;
use pv_layout::input;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Make a newc archive of module objects.
#[derive(Debug, Args)]
#[command(after_help = "Example: a ramdisk with a module of your own\n  \
    pvlab archive modules.cpio hello.o && make run RAMDISK=modules.cpio")]
pub(crate) struct ArchiveArgs {
    /// The archive to write
    output: PathBuf,
    /// The objects to put into it
    objects: Vec<PathBuf>,
}

/// Runs the verb.
pub(crate) fn make(args: &ArchiveArgs) -> Result<()> {
    let mut files = Vec::new();
    for path in &args.objects {
        let bytes = input::file(path, input::PROGRAM)?;
        let name = path.file_name().and_then(|name| name.to_str());
        files.push((name.context("an object needs a file name in UTF-8")?.to_owned(), bytes));
    }
    write(&args.output, &files)
}

/// Writes an archive of files, each with its name.
pub(crate) fn write(output: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        let entry = newc::Builder::new(&format!("modules/{name}")).mode(0o100_644);
        let length = u32::try_from(bytes.len()).context("an object of 4 GiB or more")?;
        let mut writer = entry.write(archive, length);
        writer.write_all(bytes)?;
        archive = writer.finish()?;
    }
    let archive = newc::trailer(archive)?;
    fs::write(output, archive).with_context(|| format!("cannot write {}", output.display()))
}
