//! `pvlab suite`: runs the table of cases, as many as possible in one machine.
//!
//! When a machine is lost, the case that lost it has failed and the next one starts a fresh one. `cases` is the table,
//! `machines` boots, `junit` writes the file for CI.

use crate::{
    builder::Builder,
    cases::{Case, Image, Start},
    cases_modules::{LINUX, LINUX_ALL},
    dom0_image::BootFiles,
    expect::Judged,
    grub::GrubVersion,
    guest::{Create, Guest},
    junit::{self, CaseResult},
    lab::{Lab, XenVersion, fresh_folder},
    linux_modules,
    machines::Machines,
    matrix_page,
    progress::Progress,
    release::Release,
    table,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use pv_layout::{out, predict::Gzip, ramdisk::Ramdisk};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Boot the table of cases and compare each with what it must lead to.
#[derive(Debug, Args)]
#[command(after_help = "Example: only the guests of 899 MiB, on Xen 4.20\n  \
    pvlab suite --filter 899m --xen 4.20")]
pub(crate) struct SuiteArgs {
    /// Only cases whose name contains this.
    #[arg(long, default_value = "", value_name = "STR")]
    filter: String,
    /// The Xen release.
    #[arg(long, default_value = "4.17", value_enum)]
    xen: XenVersion,
    /// The cases that take too long for every change, instead of the others.
    #[arg(long)]
    long: bool,
    /// Every image by every builder, instead of the others.
    #[arg(long, conflicts_with = "long")]
    builders: bool,
    /// Guests whose P2M the toolstack's programs read when they have ended, instead of the others.
    #[arg(long, conflicts_with_all = ["long", "builders"])]
    readers: bool,
    /// Bring this page on who boots what up to date with the results.
    #[arg(long, value_name = "FILE")]
    matrix: Option<PathBuf>,
    /// List the cases and run none.
    #[arg(long)]
    list: bool,
    /// Where logs and junit.xml go.
    #[arg(long, default_value = "target/lab/suite", value_name = "DIR")]
    out: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(lab: &Lab, args: &SuiteArgs) -> Result<ExitCode> {
    let fits = |case: &&Case| {
        case.name.contains(&args.filter) && (case.xens.is_empty() || case.xens.contains(&args.xen.release()))
    };
    let all = match args {
        SuiteArgs { long: true, .. } => table::long(),
        SuiteArgs { builders: true, .. } => table::builders(),
        SuiteArgs { readers: true, .. } => table::readers(),
        SuiteArgs { .. } => table::all(),
    };
    let cases: Vec<_> = all.iter().filter(fits).collect();
    if cases.is_empty() {
        bail!("expected a part of a case's name, found '{}' in none: see pvlab suite --list", args.filter);
    }
    if args.list {
        cases.iter().for_each(|case| out!("{:28} {:6} MiB  {}", case.name, case.memory_mib, case.cmdline));
        return Ok(ExitCode::SUCCESS);
    }
    let results = run_cases(lab, args, &cases)?;
    fs::write(args.out.join("junit.xml"), junit::xml(&format!("xen-{}", args.xen), &results))?;
    if let Some(page) = &args.matrix {
        matrix_page::update(page, args.xen, &results)?;
    }
    let failed = results.iter().filter(|result| !result.complaints.is_empty()).count();
    out!("{} passed, {failed} failed", results.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_cases(lab: &Lab, args: &SuiteArgs, cases: &[&Case]) -> Result<Vec<CaseResult>> {
    let files = BootFiles::ready(lab, args.xen, &Progress::default())?;
    if cases.iter().any(|case| case.ramdisk == LINUX) {
        let [image, caller, archive] =
            ["target/image/revector.debug", "target/image/linux_calls.o", LINUX].map(|path| lab.path(path));
        linux_modules::prepare(files.release(), &image, &caller, &archive)?;
    }
    if cases.iter().any(|case| case.ramdisk == LINUX_ALL) {
        linux_modules::prepare_all(files.release(), &lab.path(LINUX_ALL))?;
    }
    let guests = cases.iter().map(|case| guest(lab, files.release(), case)).collect::<Result<Vec<_>>>()?;
    fresh_folder(&args.out)?;
    let out = args.out.canonicalize()?;
    let mut machines = Machines::new(files, out, gzip_by_toolstack(args.xen), cases, &guests);
    let mut results = Vec::new();
    for (case, guest) in cases.iter().zip(&guests) {
        let start = Instant::now();
        let (outcome, complaints) = match machines.boot(case, guest) {
            Ok(Judged { outcome, complaints }) => (Some(outcome), complaints),
            Err(error) => (None, vec![format!("{error:#}")]),
        };
        let result = CaseResult { name: case.name.to_string(), time: start.elapsed(), outcome, complaints };
        tell(&result, &machines.folder(case));
        results.push(result);
    }
    Ok(results)
}

fn tell(result: &CaseResult, folder: &Path) {
    let time = result.time.as_secs_f64();
    if result.complaints.is_empty() {
        out!("{time:6.1} s  {:28} ok", result.name);
    } else {
        out!("{time:6.1} s  {:28} FAILED: {}", result.name, result.complaints.join("\n    "));
        out!("    logs in {}", folder.display());
    }
}

/// What a release's toolstack does with a gzip ramdisk.
const fn gzip_by_toolstack(xen: XenVersion) -> Gzip {
    match xen {
        XenVersion::V4_14 | XenVersion::V4_17 | XenVersion::V4_17Debug => Gzip::Unpacked,
        XenVersion::V4_20 => Gzip::Kept,
    }
}

const fn builder(start: Start) -> Builder {
    match start {
        Start::Guest | Start::Plain | Start::Dom0 | Start::Dom0Com2 => Builder::Xl,
        Start::Shim => Builder::Shim,
        Start::Grub(GrubVersion::V2_06Debian11) => Builder::Grub206Debian11,
        Start::Grub(GrubVersion::V2_06) => Builder::Grub206,
        Start::Grub(GrubVersion::V2_12) => Builder::Grub212,
    }
}

fn guest(lab: &Lab, release: &Release, case: &Case) -> Result<Guest> {
    let name = match case.image {
        Image::Normal => "revector",
        Image::Seed => "revector-seed",
        Image::Hello => "hello",
        Image::P2m => "p2m",
    };
    let image = lab.path(&format!("target/image/{name}{}", case.notes.suffix()));
    if !image.is_file() {
        bail!(
            "case {}: cannot read the image {}: build it with make notes seed-notes inputs",
            case.name,
            image.display()
        );
    }
    let ramdisk: Ramdisk = case.ramdisk.parse().with_context(|| format!("case {}", case.name))?;
    Ok(Guest {
        image,
        memory_mib: case.memory_mib,
        ramdisk,
        archive: case.archive.map(|path| lab.path(path)),
        cmdline: case.cmdline.to_owned(),
        create: if case.start == Start::Plain { Create::Plain } else { Create::Logged },
        container: builder(case.start).container(lab, release, &Progress::default())?,
        reading: case.reading,
        timeout: Duration::from_secs(case.timeout_secs),
    })
}
