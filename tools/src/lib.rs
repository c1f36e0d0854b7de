//! The host command of revector: boots images under QEMU-hosted Xen and judges what they print.
//!
//! ```text
//! main -> run    -> session | direct -> qemu         one boot
//!      -> suite  -> cases, session | direct, rows    a table of boots
//!         session, direct <- dom0_image <- release <- lab (scripts/fetch-xen)
//! ```

mod archive;
mod bench;
mod cases;
mod cases_modules;
mod direct;
mod dom0_image;
pub mod elf_needs;
mod expect;
mod guest;
mod junit;
mod lab;
mod linux_modules;
mod matrix;
mod mutants;
pub mod need;
mod progress;
mod qemu;
pub mod ramdisk;
mod release;
pub mod rows;
mod run;
pub mod scene;
mod session;
mod suite;
pub mod symbols;
mod tail;
pub mod verdict;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Archive(archive::ArchiveArgs),
    Bench(bench::BenchArgs),
    EmbedSymbols(symbols::EmbedArgs),
    Mutants(mutants::MutantsArgs),
    Run(run::RunArgs),
    Suite(suite::SuiteArgs),
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

fn dispatch(verb: &Verb) -> Result<ExitCode> {
    match verb {
        Verb::Archive(args) => archive::make(args).map(|()| ExitCode::SUCCESS),
        Verb::Bench(args) => bench::run(&lab::Lab::find()?, args),
        Verb::EmbedSymbols(args) => symbols::embed(args).map(|()| ExitCode::SUCCESS),
        Verb::Mutants(args) => mutants::make(args).map(|()| ExitCode::SUCCESS),
        Verb::Run(args) => run::run(&lab::Lab::find()?, args),
        Verb::Suite(args) => suite::run(&lab::Lab::find()?, args),
    }
}
