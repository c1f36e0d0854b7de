//! The host command of revector: boots images under QEMU-hosted Xen and judges what they print.
//!
//! ```text
//! main -> run       -> session | direct -> qemu         one boot
//!      -> suite     -> cases, session | direct, rows    a table of boots
//!         session, direct <- dom0_image <- release <- lab (scripts/fetch-xen)
//!      -> report                                        logs explained
//!      -> predict   -> domain (arithmetic), image       a layout without a boot
//!      -> check     -> image (notes), predict           a kernel without a boot
//!      -> symbolize                                     call traces with lines
//!         run, predict, report -> scene -> draw                 pictures
//! ```

mod archive;
mod bench;
mod cases;
mod cases_modules;
pub mod check;
mod direct;
mod dom0_image;
pub mod draw;
pub mod elf_needs;
mod expect;
mod guest;
pub mod image;
mod junit;
mod lab;
mod linux_modules;
mod manual;
mod matrix;
mod mutants;
pub mod need;
pub mod predict;
mod progress;
mod qemu;
pub mod ramdisk;
mod release;
pub mod report;
pub mod rows;
mod run;
pub mod scene;
mod session;
pub mod sizes;
mod suite;
mod symbolize;
pub mod symbols;
mod tail;
pub mod verdict;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use std::{io::Write, process::ExitCode};

#[derive(Debug, Parser)]
#[command(name = "revector", version, about)]
#[command(after_help = "Examples:\n  \
    revector predict --memory 128G --ramdisk 0x10784p --kernel 0xe43p   where would everything be?\n  \
    revector check /boot/vmlinuz-6.1.0-50-amd64                         what does this kernel ask for?\n  \
    revector run --memory 1G --report out.html                          boot it, draw what became of it\n  \
    revector symbolize console.log                                      which lines of code are these?")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Archive(archive::ArchiveArgs),
    Bench(bench::BenchArgs),
    Check(check::CheckArgs),
    #[command(hide = true)]
    EmbedSymbols(symbols::EmbedArgs),
    Manual(manual::ManualArgs),
    #[command(hide = true)]
    Mutants(mutants::MutantsArgs),
    Predict(predict::PredictArgs),
    Report(report::ReportArgs),
    Run(run::RunArgs),
    Suite(suite::SuiteArgs),
    Symbolize(symbolize::SymbolizeArgs),
}

/// Runs the command with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(&arguments.verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("revector: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The whole command line, for the manual.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

fn dispatch(verb: &Verb) -> Result<ExitCode> {
    match verb {
        Verb::Archive(args) => archive::make(args).map(|()| ExitCode::SUCCESS),
        Verb::Bench(args) => bench::run(&lab::Lab::find()?, args),
        Verb::Check(args) => print(&check::run(args)?),
        Verb::EmbedSymbols(args) => symbols::embed(args).map(|()| ExitCode::SUCCESS),
        Verb::Manual(args) => manual::write(&command(), args).map(|()| ExitCode::SUCCESS),
        Verb::Mutants(args) => mutants::make(args).map(|()| ExitCode::SUCCESS),
        Verb::Predict(args) => print(&predict::run(args)?),
        Verb::Report(args) => report::run(args),
        Verb::Run(args) => run::run(&lab::Lab::find()?, args),
        Verb::Suite(args) => suite::run(&lab::Lab::find()?, args),
        Verb::Symbolize(args) => symbolize::run(args).map(|()| ExitCode::SUCCESS),
    }
}

/// Prints a result; whoever closes the pipe early has seen enough.
fn print(text: &str) -> Result<ExitCode> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
