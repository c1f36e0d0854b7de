//! The verb's command line: which logs, which format, where modules are.

use super::{Format, Report};
use crate::scene::ModuleArea;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::{
    fs::File,
    io::{IsTerminal, Read, Write, stdin},
    path::PathBuf,
    process::ExitCode,
};

const EXAMPLE: &str = "\
Reads logs of `xl -vvv create` or libvirt, Xen's, and consoles of Linux, Mini-OS
or this project's guest, with any prefixes, quoted in mail, several in one.

Example:
  xl -vvv create guest.cfg 2> xl.log; revector report xl.log console.log
  xl dmesg | revector report
  revector report --format html xl.log > report.html

Exit codes: 0 nothing wrong, 4 nothing usable in the logs, 5 a problem found;
1 and 2 are the command's own.";

/// Explain a PV guest's boot logs: the layout, what is wrong, what would cure it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct ReportArgs {
    /// Logs of one guest or of several; - is standard input.
    #[arg(value_name = "LOG", default_value = "-")]
    logs: Vec<PathBuf>,
    /// `term`, `json`, `svg`, `html`
    #[arg(long, value_enum, default_value_t = Format::Term, hide_possible_values = true)]
    format: Format,
    /// Where modules start; with KASLR 0xffffffffc0000000.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    modules_at: Option<u64>,
}

/// Runs the verb.
pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode> {
    let report = Report::of(args.logs.iter().map(open), args.modules_at)?;
    let text = args.format.show(&report)?;
    // A closed pipe ends the printing, not the judgement.
    let _ = anstream::stdout().write_all(text.as_bytes());
    Ok(ExitCode::from(report.verdict().exit_code()))
}

fn open(path: &PathBuf) -> Result<(String, Box<dyn Read>)> {
    if path.as_os_str() == "-" {
        if stdin().is_terminal() {
            eprintln!("reading a log from the terminal; end it with Ctrl-D");
        }
        return Ok(("standard input".to_owned(), Box::new(stdin().lock())));
    }
    let file = File::open(path).with_context(|| format!("opening the log {}", path.display()))?;
    Ok((path.display().to_string(), Box::new(file)))
}

fn address(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let address = u64::from_str_radix(digits, 16).context("expected a hexadecimal address")?;
    let (least, end) = (crate::scene::HIGH, ModuleArea::CLASSIC.end);
    ensure!((least..end).contains(&address), "expected an address from {least:#x} on and below {end:#x}");
    ensure!(
        address.is_multiple_of(crate::scene::PAGE),
        "expected the address of a page, a multiple of 0x1000"
    );
    Ok(address)
}
