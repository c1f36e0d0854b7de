//! `pvlab suite`: runs the table of cases, two at a time, as many as possible in one machine.
//!
//! When a machine is lost, the case that lost it has failed and the next one starts a fresh one; the other lane goes on.
//! `table` has the cases, `lanes` splits them, `machines` boots, `junit` writes the file for CI.

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
    lanes::{self, Job},
    linux_modules,
    machines::{Machines, Setting},
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
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
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

fn run_cases<'a>(lab: &Lab, args: &SuiteArgs, cases: &[&'a Case]) -> Result<Vec<CaseResult>> {
    let files = BootFiles::ready(lab, args.xen, &Progress::default())?;
    if cases.iter().any(|case| case.ramdisk == LINUX) {
        let [image, caller, archive] =
            ["target/image/revector.debug", "target/image/linux_calls.o", LINUX].map(|path| lab.path(path));
        linux_modules::prepare(files.release(), &image, &caller, &archive)?;
    }
    if cases.iter().any(|case| case.ramdisk == LINUX_ALL) {
        linux_modules::prepare_all(files.release(), &lab.path(LINUX_ALL))?;
    }
    let job = |(place, case): (usize, &&'a Case)| {
        Ok(Job { place, case, guest: guest(lab, files.release(), case)? })
    };
    let lanes = lanes::split(cases.iter().enumerate().map(job).collect::<Result<Vec<_>>>()?);
    fresh_folder(&args.out)?;
    let out = args.out.canonicalize()?;
    let setting = Setting { files, out, gzip: gzip_by_toolstack(args.xen) };
    Ok(run_lanes(&setting, &lanes))
}

fn run_lanes(setting: &Setting, lanes: &[Vec<Job<'_>>]) -> Vec<CaseResult> {
    // The steps of two lanes at once would only confuse.
    let progress = || if lanes.len() == 1 { Progress::default() } else { Progress::silent() };
    let results = thread::scope(|scope| {
        let start = |jobs| scope.spawn(move || run_lane(setting, jobs, progress()));
        let threads: Vec<_> = lanes.iter().map(Vec::as_slice).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    lanes::join(results)
}

/// Runs the cases of one lane; each result comes with the case's place in the table.
fn run_lane(setting: &Setting, jobs: &[Job<'_>], progress: Progress) -> Vec<(usize, CaseResult)> {
    let mut machines = Machines::new(setting, jobs, progress);
    let run = |job: &Job<'_>| {
        let start = Instant::now();
        let (outcome, complaints) = match machines.boot(job) {
            Ok(Judged { outcome, complaints }) => (Some(outcome), complaints),
            Err(error) => (None, vec![format!("{error:#}")]),
        };
        let name = job.case.name.to_string();
        let result = CaseResult { name, time: start.elapsed(), outcome, complaints };
        print(&result, &machines.folder(job.case));
        (job.place, result)
    };
    jobs.iter().map(run).collect()
}

/// Prints how a case ended, in one piece, because the other lane prints too.
fn print(result: &CaseResult, folder: &Path) {
    let (time, name) = (result.time.as_secs_f64(), &result.name);
    if result.complaints.is_empty() {
        out!("{time:6.1} s  {name:28} ok");
    } else {
        let complaints = result.complaints.join("\n    ");
        out!("{time:6.1} s  {name:28} FAILED: {complaints}\n    logs in {}", folder.display());
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
        maxmem_mib: case.maxmem_mib,
        ramdisk,
        archive: case.archive.map(|path| lab.path(path)),
        cmdline: case.cmdline.to_owned(),
        create: if case.start == Start::Plain { Create::Plain } else { Create::Logged },
        container: builder(case.start).container(lab, release, &Progress::default())?,
        reading: case.reading,
        reboot: case.reboot,
        script: case.script,
        timeout: Duration::from_secs(case.timeout_secs),
    })
}
