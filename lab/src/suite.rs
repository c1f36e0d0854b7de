//! `pvlab suite`: runs the table of cases, as many as possible in one machine.
//!
//! Guests that give their memory back share a session; a large guest has one to itself, and so has each direct boot.
//! When a session is lost, the case that lost it has failed and the next one starts a fresh one. `cases` is the
//! table, `expect` the judgement, `junit` the file for CI.

use crate::{
    cases::{Case, Image, Start},
    cases_modules::{LINUX, LINUX_ALL},
    direct,
    dom0_image::BootFiles,
    expect::{Column, Seen, complaints},
    guest::{Create, End, Guest},
    junit::{self, CaseResult},
    lab::{Lab, XenVersion, fresh_folder},
    linux_modules,
    progress::Progress,
    session::{Session, Size},
    table,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use pv_layout::{
    image::PvImage,
    input, out,
    predict::{
        self, Gzip,
        domain::{Builder, Domain, Plan},
    },
    ramdisk::Ramdisk,
    sizes::Size as Bytes,
    verdict::Outcome,
};
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
        case.name.contains(&args.filter) && case.only_xen.is_none_or(|xen| xen == args.xen.release())
    };
    let all = if args.long { table::long() } else { table::all() };
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
    let guests = cases.iter().map(|case| guest(lab, case)).collect::<Result<Vec<_>>>()?;
    fresh_folder(&args.out)?;
    let shared: Vec<_> =
        cases.iter().zip(&guests).filter(|(case, guest)| shares(case, guest)).map(|(_, g)| g).collect();
    let mut machines = Machines {
        files,
        out: args.out.canonicalize()?,
        size: Size::for_any(&shared),
        gzip: gzip_by_toolstack(args.xen),
        shared: None,
    };
    let mut results = Vec::new();
    for (case, guest) in cases.iter().zip(&guests) {
        let start = Instant::now();
        let complaints = match machines.boot(case, guest) {
            Ok(complaints) => complaints,
            Err(error) => vec![format!("{error:#}")],
        };
        let result = CaseResult { name: case.name.to_string(), time: start.elapsed(), complaints };
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

fn shares(case: &Case, guest: &Guest) -> bool {
    matches!(case.start, Start::Guest | Start::Plain) && guest.end() == End::Destroy
}

/// The machines that the cases run in.
struct Machines {
    files: BootFiles,
    out: PathBuf,
    size: Size,
    /// What this release's toolstack does with a packed ramdisk.
    gzip: Gzip,
    shared: Option<Session>,
}

impl Machines {
    /// Boots one case and says what was wrong with it.
    fn boot(&mut self, case: &Case, guest: &Guest) -> Result<Vec<String>> {
        match case.start {
            Start::Dom0 => self.boot_directly(case, guest, direct::Port::Xen),
            Start::Dom0Com2 => self.boot_directly(case, guest, direct::Port::Com2),
            _ if !shares(case, guest) => {
                let mut own =
                    self.session(&self.out.join(format!("{}-machine", case.name)), Size::for_any(&[guest]))?;
                run_guest(&mut own, case, guest, self.gzip)
            }
            _ => self.boot_in_shared(case, guest),
        }
    }

    /// Where a case's logs are.
    fn folder(&self, case: &Case) -> PathBuf {
        let candidates = [format!("{}-machine/{}", case.name, case.name), format!("shared/{}", case.name)];
        let found = candidates.iter().map(|name| self.out.join(name)).find(|folder| folder.is_dir());
        found.unwrap_or_else(|| self.out.join(case.name.as_ref()))
    }

    fn boot_in_shared(&mut self, case: &Case, guest: &Guest) -> Result<Vec<String>> {
        let mut session = match self.shared.take() {
            Some(session) => session,
            None => self.session(&self.out.join("shared"), self.size)?,
        };
        let complaints = run_guest(&mut session, case, guest, self.gzip)?;
        self.shared = Some(session);
        Ok(complaints)
    }

    fn session(&self, folder: &Path, size: Size) -> Result<Session> {
        Session::boot(&self.files, folder, size, &Progress::default())
    }

    fn boot_directly(&self, case: &Case, guest: &Guest, port: direct::Port) -> Result<Vec<String>> {
        let folder = self.out.join(case.name.as_ref());
        fresh_folder(&folder)?;
        let report = direct::boot(&self.files, &folder, guest, port, &mut |_| ())?;
        let xen = log(&folder, "xen.log");
        let golden = golden(case, Column::InitialDomain)?;
        Ok(complaints(
            case,
            &Seen {
                outcome: report.outcome,
                console: &report.console,
                xen: &xen,
                toolstack: None,
                prediction: Some(prediction(guest, Builder::Xen, Gzip::Kept)),
                golden: golden.as_deref(),
                listed: "",
            },
        ))
    }
}

fn run_guest(session: &mut Session, case: &Case, guest: &Guest, gzip: Gzip) -> Result<Vec<String>> {
    let report = session.run(&case.name, guest, &Progress::default(), &mut |_| ())?;
    let (toolstack, xen) = (log(&report.folder, "xl.log"), log(&report.folder, "xl-dmesg.log"));
    let told = guest.create == Create::Logged && report.outcome != Outcome::NotBuilt;
    let toolstack = told.then_some(toolstack.as_str());
    let golden = golden(case, Column::Guest)?;
    let listed = case.listed.map(|file| input::text(Path::new(file))).transpose()?;
    let seen = Seen {
        outcome: report.outcome,
        console: &report.console,
        xen: &xen,
        toolstack,
        prediction: toolstack.map(|_| prediction(guest, Builder::Toolstack, gzip)),
        golden: golden.as_deref(),
        listed: listed.as_deref().unwrap_or(""),
    };
    Ok(complaints(case, &seen))
}

/// The layout that arithmetic gives the guest, or why a builder should refuse it.
fn prediction(guest: &Guest, builder: Builder, gzip: Gzip) -> Result<Plan, String> {
    let memory = Bytes::of_mib(guest.memory_mib);
    let placed = || Ok((PvImage::read(&guest.image)?.kernel(), predict::bytes(&guest.ramdisk, gzip)?));
    let (kernel, ramdisk) = placed().map_err(|error: anyhow::Error| format!("{error:#}"))?;
    let domain = Domain { builder, pages: memory.pages(), kernel, ramdisk };
    domain.plan().map_err(|refusal| refusal.to_string())
}

/// What a release's toolstack does with a gzip ramdisk.
const fn gzip_by_toolstack(xen: XenVersion) -> Gzip {
    match xen {
        XenVersion::V4_14 | XenVersion::V4_17 | XenVersion::V4_17Debug => Gzip::Unpacked,
        XenVersion::V4_20 => Gzip::Kept,
    }
}

fn log(folder: &Path, name: &str) -> String {
    let bytes = fs::read(folder.join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn golden(case: &Case, column: Column) -> Result<Option<String>> {
    let read = |(_, file): (&str, &str)| input::text(Path::new(file)).map(|text| column.of(&text));
    case.golden.map(read).transpose()
}

fn guest(lab: &Lab, case: &Case) -> Result<Guest> {
    let image = lab.path(match case.image {
        Image::Normal => "target/image/revector",
        Image::Seed => "target/image/revector-seed",
    });
    if !image.is_file() {
        bail!("case {}: cannot read the image {}: build it with make", case.name, image.display());
    }
    let ramdisk: Ramdisk = case.ramdisk.parse().with_context(|| format!("case {}", case.name))?;
    Ok(Guest {
        image,
        memory_mib: case.memory_mib,
        ramdisk,
        archive: case.archive.map(|path| lab.path(path)),
        cmdline: case.cmdline.to_owned(),
        create: if case.start == Start::Plain { Create::Plain } else { Create::Logged },
        timeout: Duration::from_secs(case.timeout_secs),
    })
}
