//! The developers' command: boots images under QEMU-hosted Xen and judges what they print.
//!
//! ```text
//! main -> run       -> session | direct -> qemu         one boot
//!                   -> interact -> terminal              the person who talks to its guest
//!      -> suite     -> machines -> session | direct     a table of boots, two at a time, each judged by expect
//!      -> bench     -> session | direct                 boots beside Linux; instruction counts
//!      -> readers                                       what the toolstack read of a P2M
//!                     machines -> player <- script      what is done with a guest while it runs
//!         session -> live -> agent (scripts/dom0-init)  a guest that runs, and the line to its toolstack
//!         session <- guest <- grub (scripts/fetch-grub)
//!         session, direct <- dom0_image <- release <- lab (scripts/fetch-xen)
//!      -> archive, mutants, notes, embed-symbols        what the build of the image needs
//!      -> walls                                         imports, arrows, lengths
//! ```
//!
//! What a boot should lead to and what its log says comes from the crate `pv-layout`. The user's command is in
//! `tools`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod agent;
mod archive;
mod bench;
mod builder;
mod cases;
mod cases_builders;
mod cases_crashes;
mod cases_examples;
mod cases_large;
mod cases_modules;
mod cases_monitor;
mod cases_readers;
mod cases_scripts;
mod console;
mod direct;
mod docs;
mod dom0_image;
pub mod elf_needs;
mod expect;
mod grub;
mod guest;
mod interact;
mod junit;
mod lab;
mod lanes;
mod linux_modules;
mod live;
mod machines;
mod matrix;
mod matrix_page;
mod mutants;
pub mod notes;
mod pattern;
mod player;
mod progress;
mod qemu;
mod ramdisk;
mod readers;
mod release;
mod run;
mod script;
mod session;
mod session_size;
mod suite;
pub mod symbols;
mod table;
mod tail;
mod terminal;
mod walls;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use pv_layout::{note, say};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "pvlab", version, about)]
#[command(after_help = "Examples:\n  \
    pvlab run --memory 1G --report out.html     boot the image, draw what became of its memory\n  \
    pvlab suite --filter 899m                   some of the table of boots\n  \
    pvlab bench --sizes 64,1024 --runs 2        side by side with Linux")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Archive(archive::ArchiveArgs),
    Bench(bench::BenchArgs),
    Docs(docs::DocsArgs),
    #[command(hide = true)]
    EmbedSymbols(symbols::EmbedArgs),
    #[command(hide = true)]
    Mutants(mutants::MutantsArgs),
    Notes(notes::NotesArgs),
    Readers(readers::ReadersArgs),
    Run(run::RunArgs),
    Suite(suite::SuiteArgs),
    Walls(walls::WallsArgs),
}

/// Runs the command with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = dispatch(&arguments.verb).unwrap_or_else(|error| {
        note!("pvlab: {error:#}");
        ExitCode::FAILURE
    });
    say::finish("pvlab", code)
}

/// The whole command line, for tests.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

fn dispatch(verb: &Verb) -> Result<ExitCode> {
    match verb {
        Verb::Archive(args) => archive::make(args).map(|()| ExitCode::SUCCESS),
        Verb::Bench(args) => bench::run(&lab::Lab::find()?, args),
        Verb::Docs(args) => docs::run(&lab::Lab::find()?, args),
        Verb::EmbedSymbols(args) => symbols::embed(args).map(|()| ExitCode::SUCCESS),
        Verb::Mutants(args) => mutants::make(args).map(|()| ExitCode::SUCCESS),
        Verb::Notes(args) => notes::run(args).map(|()| ExitCode::SUCCESS),
        Verb::Readers(args) => readers::run(args),
        Verb::Run(args) => run::run(&lab::Lab::find()?, args),
        Verb::Suite(args) => suite::run(&lab::Lab::find()?, args),
        Verb::Walls(args) => walls::run(args),
    }
}
