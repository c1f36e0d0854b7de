//! Makes an archive of damaged modules, each with one field of one table changed: always the same ones.
//!
//! The guest loads them without running them (`init=skip`); each must be refused with a message or be placed whole. The
//! library's tests do the same on the host with many more.

#[path = "../../tests/module/mutate.rs"]
mod mutate;

use anyhow::{Result, ensure};
use clap::Args;
use pv_layout::input;
use std::{num::NonZeroUsize, path::PathBuf};

/// Make an archive of damaged modules.
#[derive(Debug, Args)]
pub(crate) struct MutantsArgs {
    /// The archive to write
    output: PathBuf,
    /// The sound module to damage
    object: PathBuf,
    /// How many
    #[arg(long, default_value = "200")]
    count: NonZeroUsize,
}

/// Runs the verb.
pub(crate) fn make(args: &MutantsArgs) -> Result<()> {
    let sound = input::file(&args.object, input::PROGRAM)?;
    let fields = mutate::fields(&sound);
    ensure!(!fields.is_empty(), "{}: expected an object, found something else", args.object.display());
    // As many values for each field as it takes, spread over all fields.
    let all = fields.len() * mutate::VALUES;
    let step = (all / args.count).max(1) | 1;
    let mut files = vec![("first.o".to_owned(), sound.clone())];
    for number in 0..args.count.get() {
        let pick = number * step % all;
        let field = &fields[pick / mutate::VALUES];
        let mutant = mutate::mutant(&sound, field, pick % mutate::VALUES);
        files.push((format!("mutant-{number:03}-{}.o", field.name), mutant));
    }
    files.push(("last.o".to_owned(), sound));
    crate::archive::write(&args.output, &files)
}
