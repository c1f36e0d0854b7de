//! What the toolstack's programs read of a guest's P2M, compared with what the guest has printed.
//!
//! ```text
//! scripts/dom0-init -> mfndump.txt           -> mfndump   \
//!                   -> core.head, core.tail  -> core_dump  -> pairs -> compare <- the guest's line (digest=on)
//! ```
//!
//! None of this shares code with the guest, where `crates/pv-memory/src/p2m/digest.rs` computes the line. `session` has
//! the programs run, `expect` judges the differences, and `pvlab readers` compares files that were made by hand.

mod compare;
mod core_dump;
mod mfndump;
mod pairs;

use crate::guest::Reading;
use anyhow::{Context, Result, bail};
use clap::Args;
use compare::GuestLine;
use pairs::Pairs;
use pv_layout::{input, out};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What one of the toolstack's programs read, compared with the guest's line.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) program: &'static str,
    /// Every way in which it is not what the guest has; none if all is well.
    pub(crate) differences: Vec<String>,
}

/// Compare what the toolstack's programs read of a guest's P2M with the guest's own line.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, of a guest with digest=on and on_poweroff=\"preserve\", when it has ended:\n  \
    xen-mfndump dump-p2m $(xl domid NAME) > p2m.txt; xl dump-core NAME core\n  \
    pvlab readers guest-NAME.log --mfndump p2m.txt --core core"
)]
pub(crate) struct ReadersArgs {
    /// The guest's console log.
    console: PathBuf,
    /// What `xen-mfndump dump-p2m` printed.
    #[arg(long, value_name = "FILE")]
    mfndump: Option<PathBuf>,
    /// The file that `xl dump-core` wrote.
    #[arg(long, value_name = "FILE")]
    core: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &ReadersArgs) -> Result<ExitCode> {
    let console = input::text(&args.console)?;
    let lines: Vec<_> = console.lines().map(str::to_owned).collect();
    let mut all = Vec::new();
    if let Some(file) = &args.mfndump {
        all.push(compare(MFNDUMP, &lines, mfndump::read(file)));
    }
    if let Some(file) = &args.core {
        all.push(compare(CORE, &lines, core_dump::read(file)));
    }
    if all.is_empty() {
        bail!("expected --mfndump or --core, found neither: there is nothing to compare");
    }
    for Comparison { program, differences } in &all {
        match differences.as_slice() {
            [] => out!("{program}: every entry equals the guest's"),
            found => found.iter().for_each(|difference| out!("{program}: {difference}")),
        }
    }
    let equal = all.iter().all(|one| one.differences.is_empty());
    Ok(if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const MFNDUMP: &str = "xen-mfndump dump-p2m";
const CORE: &str = "xl dump-core";

/// Compares a listing of `xen-mfndump dump-p2m` with a guest's console.
pub(crate) fn of_listing(file: &Path, console: &[String]) -> Comparison {
    compare(MFNDUMP, console, mfndump::read(file))
}

/// Compares what the programs left in a guest's folder with its console.
pub(crate) fn in_folder(reading: Reading, folder: &Path, console: &[String]) -> Vec<Comparison> {
    let mut all = Vec::new();
    if reading != Reading::Nothing {
        let pairs = succeeded(folder, "mfndump").and_then(|()| mfndump::read(&folder.join("mfndump.txt")));
        all.push(compare(MFNDUMP, console, pairs));
    }
    if reading == Reading::All {
        let whole = succeeded(folder, "core").and_then(|()| core_dump::assemble(folder));
        all.push(compare(CORE, console, whole.and_then(|file| core_dump::read(&file))));
    }
    all
}

fn compare(program: &'static str, console: &[String], pairs: Result<Pairs>) -> Comparison {
    let differences = match GuestLine::find(console).and_then(|line| Ok((line, pairs?))) {
        Ok((line, pairs)) => line.differences(&pairs),
        Err(error) => vec![format!("{error:#}")],
    };
    Comparison { program, differences }
}

/// Checks that a program in the initial domain succeeded; if not, the error has what it printed.
fn succeeded(folder: &Path, name: &str) -> Result<()> {
    let file = folder.join(format!("{name}.status"));
    let status = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    if status.trim() != "0" {
        let said = fs::read(folder.join(format!("{name}.log"))).unwrap_or_default();
        bail!("expected exit code 0, found {}: {}", status.trim(), String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}
