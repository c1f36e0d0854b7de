//! The user's command: explains logs, predicts layouts, checks kernels, finds lines of code.
//!
//! ```text
//! main -> report                        logs explained
//!      -> predict                       a layout without a boot
//!      -> check                         a kernel without a boot
//!         builder                       the words for builders, for both
//!      -> symbolize -> image, trace     call traces with lines
//!      -> manual                        man pages and completions
//! ```
//!
//! Each verb is its command line; the engine is the crate `pv-layout`. The developers' verbs are in `lab`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod builder;
mod check;
mod format;
mod manual;
mod predict;
mod report;
mod symbolize;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use pv_layout::{note, report::Verdict, say};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "revector", version, about)]
#[command(after_help = "Examples:\n  \
    revector report xl.log console.log                                  what is wrong with this guest?\n  \
    revector predict --memory 128G --ramdisk 0x10784p --kernel 0xe43p   where would everything be?\n  \
    revector check /boot/vmlinuz-6.1.0-50-amd64                         what does this kernel ask for?\n  \
    revector symbolize console.log                                      which lines of code are these?")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::CheckArgs),
    Manual(manual::ManualArgs),
    Predict(predict::PredictArgs),
    Report(report::ReportArgs),
    Symbolize(symbolize::SymbolizeArgs),
}

/// Runs the command with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = dispatch(&arguments.verb).unwrap_or_else(|error| {
        note!("revector: {error:#}");
        ExitCode::FAILURE
    });
    say::finish("revector", code)
}

/// The whole command line, for the manual and for tests.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

fn dispatch(verb: &Verb) -> Result<ExitCode> {
    match verb {
        Verb::Check(args) => check::run(args).map(print),
        Verb::Manual(args) => manual::write(&command(), args).map(|()| ExitCode::SUCCESS),
        Verb::Predict(args) => predict::run(args).map(print),
        Verb::Report(args) => report::run(args),
        Verb::Symbolize(args) => symbolize::run(args).map(|()| ExitCode::SUCCESS),
    }
}

/// Prints a result, and ends with the code of its verdict.
fn print((text, verdict): (String, Verdict)) -> ExitCode {
    let _ = say::bytes(text.as_bytes());
    ExitCode::from(verdict.exit_code())
}
