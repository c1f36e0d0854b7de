//! `revector run`: boots one image, streams its console, and ends with its verdict as the exit code.
//!
//! Standard output is the guest's console and nothing else. As a guest of Xen it goes through `session`, as the
//! initial domain through `direct`.

use crate::{
    direct,
    dom0_image::BootFiles,
    guest::{Create, Guest},
    lab::{Lab, XenVersion},
    need,
    progress::Progress,
    ramdisk::Ramdisk,
    session::{Session, Size},
    verdict::Outcome,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::{
    fs,
    io::{Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// Lines of the toolstack's log that are shown when it refuses a guest.
const SHOWN_LINES: usize = 12;

/// Boot an image under QEMU-hosted Xen and stream its console.
///
/// Exit codes: 0 SUCCESS, 3 SKIP, 4 ERROR, 5 FAILURE, 6 no verdict, 7 timeout; 1 and 2 are the command's own.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The image to boot.
    #[arg(long, default_value = "target/image/revector")]
    image: PathBuf,
    /// The guest's memory in MiB.
    #[arg(long, default_value_t = 64, value_name = "MIB")]
    memory: u64,
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
    /// Create the guest by a plain `xl create -c`.
    #[arg(long, conflicts_with = "dom0")]
    plain: bool,
    /// Seconds from the guest's start to its end.
    #[arg(long, default_value_t = 120, value_name = "SECS")]
    timeout: u64,
    /// Where the logs go.
    #[arg(long, default_value = "target/lab/run", value_name = "DIR")]
    out: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(lab: &Lab, args: &RunArgs) -> Result<ExitCode> {
    let guest = guest(args)?;
    let progress = Progress::default();
    let start = Instant::now();
    let files = BootFiles::ready(lab, args.xen, &progress)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let out = args.out.canonicalize()?;
    let (outcome, memory) = if args.dom0 {
        let port = if args.com2 { direct::Port::Com2 } else { direct::Port::Xen };
        let report = direct::boot(&files, &out, &guest, port, &mut print_line)?;
        (report.outcome, report.peak_mib)
    } else {
        run_guest(&files, &out, &guest, &progress)?
    };
    let memory = memory.map_or("unknown".to_owned(), |mib| format!("{mib} MiB"));
    eprintln!(
        "{outcome} in {:.1} s ({}); QEMU's peak memory {memory}; logs in {}",
        start.elapsed().as_secs_f64(),
        progress.times(),
        args.out.display()
    );
    Ok(ExitCode::from(outcome.exit_code()))
}

fn guest(args: &RunArgs) -> Result<Guest> {
    if !args.image.is_file() {
        bail!("no image at {}: build it with make, or name one with --image", args.image.display());
    }
    let ramdisk: Ramdisk = args.ramdisk.parse()?;
    if args.archive.is_some() && !matches!(ramdisk, Ramdisk::Sized { .. }) {
        bail!(
            "--archive needs a sized ramdisk to be the head of, found --ramdisk {}: give a size",
            args.ramdisk
        );
    }
    Ok(Guest {
        image: args.image.clone(),
        memory_mib: args.memory,
        ramdisk,
        archive: args.archive.clone(),
        cmdline: args.cmdline.clone(),
        create: if args.plain { Create::Plain } else { Create::Logged },
        timeout: Duration::from_secs(args.timeout),
    })
}

fn run_guest(
    files: &BootFiles,
    out: &Path,
    guest: &Guest,
    progress: &Progress,
) -> Result<(Outcome, Option<u64>)> {
    let mut session = Session::boot(files, out, Size::for_any(&[guest]), progress)?;
    let report = session.run("guest", guest, progress, &mut print_line)?;
    if report.outcome == Outcome::NotBuilt {
        eprintln!("xl could not create the guest; the last lines of its log:");
        eprintln!("{}", last_lines(&report.folder.join("xl.log"), SHOWN_LINES));
        explain(guest)?;
    }
    progress.record("the guest's run", report.ran_for);
    Ok((report.outcome, session.peak_mib()))
}

/// The toolstack does not say that a guest is too small; its arithmetic does.
fn explain(guest: &Guest) -> Result<()> {
    let least = need::least_mib(&guest.image, guest.ramdisk.bytes())?;
    if guest.memory_mib < least {
        eprintln!(
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
    let mut out = stdout().lock();
    // A closed pipe ends the streaming, not the boot: the verdict still counts.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
