//! `revector report`: which logs, which format, where modules are. `pv_layout::report` reads and explains them.

use crate::format::Format;
use anyhow::Result;
use clap::Args;
use pv_layout::{
    address::ModulesAt,
    input,
    report::{self, Report},
    say,
};
use std::{path::PathBuf, process::ExitCode};

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
    #[arg(long, value_enum, default_value = "term", hide_possible_values = true)]
    format: Format,
    /// Where modules are; with KASLR 0xffffffffc0000000.
    #[arg(long, value_name = "ADDRESS")]
    module_area: Option<ModulesAt>,
}

/// Runs the verb.
pub(crate) fn run(args: &ReportArgs) -> Result<ExitCode> {
    let logs = args.logs.iter().map(|path| input::log(path));
    let report = Report::of(logs, args.module_area.map(|at| at.0))?;
    let text = report::Format::from(args.format).show(&report)?;
    // A closed output does not change the exit code.
    let _ = say::coloured(&text);
    Ok(ExitCode::from(report.verdict().exit_code()))
}
