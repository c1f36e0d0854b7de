//! `pvlab run`: boots one image, streams its console, and ends with its verdict as the exit code.
//!
//! Standard output is the guest's console and nothing else; on a terminal, what is typed goes there (`interact`). As a guest of Xen it goes through `session`, as the
//! initial domain through `direct`.

use crate::{
    builder::Builder,
    direct,
    dom0_image::BootFiles,
    guest::{Container, Create, Guest, Reading, Reboot},
    interact::{Left, Talker},
    junit::{self, CaseResult},
    lab::{Lab, XenVersion},
    live::Live,
    machines::prepare_for_shim,
    progress::Progress,
    qemu::Pace,
    session::{Session, Size},
};
use anyhow::{Context, Result, bail};
use clap::Args;
use pv_layout::{
    draw, need, note, out,
    ramdisk::Ramdisk,
    report::{Report, scene_of_run},
    scene::Scene,
    sizes::Mib,
    verdict::Outcome,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Lines of the toolstack's log that are shown when it refuses a guest.
const SHOWN_LINES: usize = 12;

/// Boot an image under QEMU-hosted Xen and stream its console.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 SUCCESS, or left with Ctrl-], 3 SKIP, 4 ERROR, 5 FAILURE, 6 no verdict, 7 timeout;\n\
    1 and 2 are the command's own.\n\n\
    Example: the guest of 128 GiB, and a picture of what became of its P2M\n  \
    pvlab run --kernel target/image/revector-seed --memory 128G --ramdisk 0x10784p --report out.html"
)]
pub(crate) struct RunArgs {
    /// The image to boot.
    #[arg(long, default_value = "target/image/revector")]
    kernel: PathBuf,
    /// The guest's memory, in whole MiB: 64, 64M, 128G.
    #[arg(long, default_value = "64", value_name = "SIZE")]
    memory: Mib,
    /// The most memory that the guest may have later, with `xl mem-set`.
    #[arg(long, value_name = "SIZE", conflicts_with = "dom0")]
    maxmem: Option<Mib>,
    /// What becomes of a guest that reboots.
    #[arg(long, default_value = "preserve", value_enum, conflicts_with = "dom0")]
    reboot: Reboot,
    /// A file, `none`, or a size: 300M, 1p (pages), 12345b (bytes).
    #[arg(long, default_value = "none", value_name = "FILE|none|SIZE")]
    ramdisk: String,
    /// A newc archive to put at the head of a sized ramdisk.
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// The guest's command line.
    #[arg(long, default_value = "", value_name = "TEXT", allow_hyphen_values = true)]
    cmdline: String,
    /// The Xen release.
    #[arg(long, default_value = "4.17", value_enum)]
    xen: XenVersion,
    /// Boot the image as the initial domain, without a toolstack.
    #[arg(long)]
    dom0: bool,
    /// With --dom0: the console is the second serial port.
    #[arg(long, requires = "dom0")]
    com2: bool,
    /// Who builds the guest.
    #[arg(long, default_value = "xl", value_enum, conflicts_with = "dom0")]
    builder: Builder,
    /// Create the guest by a plain `xl create -c`.
    #[arg(long, conflicts_with = "dom0")]
    plain: bool,
    /// Type the lines of this file, each when the guest prompts with 'revector> '.
    #[arg(long, value_name = "FILE", conflicts_with = "dom0")]
    send: Option<PathBuf>,
    /// Seconds from the guest's start to its end; at a terminal, until a key is typed.
    #[arg(long, default_value_t = 120, value_name = "SECS")]
    timeout: u64,
    /// Where the logs go.
    #[arg(long, default_value = "target/lab/run", value_name = "DIR")]
    out: PathBuf,
    /// Draw what became of the guest's memory, as a page (.html) or a picture (.svg); may be repeated.
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Write the result for a CI system, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What became of a boot.
struct Ended {
    outcome: Outcome,
    console: Vec<String>,
    peak_mib: Option<u64>,
    left: Left,
}

/// Runs the verb.
pub(crate) fn run(lab: &Lab, args: &RunArgs) -> Result<ExitCode> {
    let mut guest = guest(args)?;
    let progress = Progress::default();
    let start = Instant::now();
    let files = BootFiles::ready(lab, args.xen, &progress)?;
    guest.container = args.builder.container(lab, files.release(), &progress)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let out = args.out.canonicalize()?;
    let ended = if args.dom0 {
        let port = if args.com2 { direct::Port::Com2 } else { direct::Port::Xen };
        let direct::Report { outcome, console, peak_mib, .. } =
            direct::boot(Pace::Host, &files, &out, &guest, port, &mut print_line)?;
        Ended { outcome, console, peak_mib, left: Left::No }
    } else {
        run_guest(args, &files, &out, &guest, &progress)?
    };
    let outcome = ended.outcome;
    write_results(args, &ended, start.elapsed())?;
    let memory = ended.peak_mib.map_or("unknown".to_owned(), |mib| format!("{mib} MiB"));
    let (ending, code) = match ended.left {
        Left::Yes => ("left".to_owned(), ExitCode::SUCCESS),
        Left::No => (outcome.to_string(), ExitCode::from(outcome.exit_code())),
    };
    note!(
        "{ending} in {:.1} s ({}); QEMU's peak memory {memory}; logs in {}",
        start.elapsed().as_secs_f64(),
        progress.times(),
        args.out.display()
    );
    Ok(code)
}

/// The files that were asked for.
fn write_results(args: &RunArgs, ended: &Ended, time: Duration) -> Result<()> {
    if let Some(path) = &args.junit {
        let last = ended.console.last().map_or("nothing", String::as_str);
        let complaint =
            format!("expected SUCCESS, found {}; the last console line is: {last}", ended.outcome);
        let complaints = if ended.outcome == Outcome::Success { Vec::new() } else { vec![complaint] };
        let result = CaseResult { name: name(args), time, outcome: Some(ended.outcome), complaints };
        write(path, &junit::xml(&format!("xen-{}", args.xen), &[result]))?;
    }
    for path in &args.report {
        match scene_of_run(&title(args), &ended.console) {
            Some(scene) => write(path, &drawn(path, scene, &ended.console)?)?,
            None => note!(
                "no report in {}: the guest printed no rows; a log of at least level info is needed",
                path.display()
            ),
        }
    }
    Ok(())
}

fn drawn(path: &Path, scene: Scene, console: &[String]) -> Result<String> {
    if path.extension().is_some_and(|extension| extension == "svg") {
        return Ok(draw::svg(&scene));
    }
    let findings = Report::of_bytes(console.join("\n").as_bytes())?.findings;
    Ok(draw::html(&[draw::Page { scene, findings }]))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The boot's name among others: its image and what is unusual about it.
fn name(args: &RunArgs) -> String {
    let image = args.kernel.file_name().unwrap_or_default().to_string_lossy();
    format!("{image} {} ramdisk={} {}", args.memory, args.ramdisk, args.cmdline).trim_end().to_owned()
}

fn title(args: &RunArgs) -> String {
    let who = match args.builder {
        _ if args.dom0 => "initial domain, built by Xen",
        Builder::Xl => "guest, built by xl",
        Builder::Shim => "guest in pv-shim, built by Xen",
        Builder::Grub206Debian11 | Builder::Grub206 | Builder::Grub212 => "guest, built by GRUB, on Xen",
    };
    format!("{} {who} {}", args.memory, args.xen)
}

fn guest(args: &RunArgs) -> Result<Guest> {
    if !args.kernel.is_file() {
        bail!(
            "cannot read the image {}: build it with make, or name one with --kernel",
            args.kernel.display()
        );
    }
    let ramdisk: Ramdisk = args.ramdisk.parse()?;
    if args.archive.is_some() && !matches!(ramdisk, Ramdisk::Sized { .. }) {
        bail!(
            "--archive needs a sized ramdisk to be the head of, found --ramdisk {}: give a size",
            args.ramdisk
        );
    }
    Ok(Guest {
        image: args.kernel.clone(),
        memory_mib: args.memory.0,
        maxmem_mib: args.maxmem.map(|size| size.0),
        ramdisk,
        archive: args.archive.clone(),
        cmdline: args.cmdline.clone(),
        create: if args.plain { Create::Plain } else { Create::Logged },
        container: Container::Pv,
        reading: Reading::Nothing,
        reboot: args.reboot,
        script: &[],
        timeout: Duration::from_secs(args.timeout),
    })
}

fn run_guest(
    args: &RunArgs,
    files: &BootFiles,
    out: &Path,
    guest: &Guest,
    progress: &Progress,
) -> Result<Ended> {
    let mut talker = Talker::choose(args.send.as_deref(), out.join("guest/console.log"))?;
    let on_line = if talker.shows_console() { |_: &str| () } else { print_line };
    let mut session = Session::boot(files, out, Size::for_any(&[guest]), progress)?;
    if matches!(guest.container, Container::Shim(_)) {
        prepare_for_shim(&mut session, guest, &Progress::default())?;
    }
    let mut talk = |live: &mut Live<'_>| talker.talk(live, guest.timeout);
    let report = session.run_with("guest", guest, guest.end(), progress, &mut talk, &mut { on_line })?;
    let left = talker.finish()?;
    if report.outcome == Outcome::NotBuilt {
        note!("xl could not create the guest; the last lines of its log:");
        note!("{}", last_lines(&report.folder.join("xl.log"), SHOWN_LINES));
        if guest.container == Container::Pv {
            explain(guest)?;
        }
    }
    progress.record("the guest's run", report.ran_for);
    Ok(Ended { outcome: report.outcome, console: report.console, peak_mib: session.peak_mib(), left })
}

/// The toolstack does not say that a guest is too small; its arithmetic does.
fn explain(guest: &Guest) -> Result<()> {
    let least = need::least_mib(&guest.image, guest.ramdisk.bytes())?;
    if guest.memory_mib < least {
        note!(
            "this image with this ramdisk needs at least {least} MiB, the guest has {}: give it more with MEM={least}",
            guest.memory_mib
        );
    }
    Ok(())
}

/// The last lines of the toolstack's log that are no debugging, indented.
fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().filter(|line| !line.contains(": debug:")).collect();
    let shown = &lines[lines.len().saturating_sub(count)..];
    shown.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn print_line(line: &str) {
    out!("{line}");
}
