//! `pvlab bench`: boots side by side in one QEMU, and what they cost, as a table, as JSON and as a picture.
//!
//! ```text
//! mod -> plan (which boots) -> session -> figures (one boot's log) -> summary (medians)
//!     -> table, picture, claims                                         -> target/bench
//!     -> gauge (instruction counts against a committed baseline) -> counted (the boots), counts_page (their table)
//!        linux (the other guest's initramfs), warm (the host's memory)
//! ```
//!
//! Times of an emulated machine are worth little by themselves; ratios within one run are. `claims` are the ratios
//! that the project promises, and the exit code says whether they hold.

mod claims;
mod counted;
mod counts_page;
mod figures;
mod gauge;
mod linux;
mod picture;
mod plan;
mod summary;
mod table;
mod warm;

use crate::{
    dom0_image::BootFiles,
    guest::{End, Guest},
    lab::{Lab, XenVersion},
    live::{After, Live},
    progress::Progress,
    session::{Session, Size},
};
use anyhow::{Context, Result};
use clap::Args;
use figures::Figures;
use plan::{Boot, Host};
use pv_layout::{note, say, sizes::Mib};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};
use summary::Summary;

/// Boot this image, its baseline mode and Linux side by side; measure and compare.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every promise holds, 5 one does not; 1 and 2 are the command's own.\n\n\
    Example: two sizes, two boots of each kind, without Linux\n  \
    pvlab bench --sizes 64,1024 --runs 2 --ways baseline,copy,alias"
)]
pub(crate) struct BenchArgs {
    /// Memory of the guests.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "64,1024,16384,131072,524288,921600",
        value_name = "SIZE,..."
    )]
    sizes: Vec<Mib>,
    /// Which guests.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "linux,baseline,copy,alias,linear",
        value_enum,
        hide_possible_values = true
    )]
    ways: Vec<plan::Way>,
    /// Boots of each kind up to 1 GiB; above, each kind boots once, but twice where 128 GiB are not copied.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// The Xen release.
    #[arg(long, default_value = "4.17", value_enum)]
    xen: XenVersion,
    /// Where logs, table, JSON and picture go.
    #[arg(long, default_value = "target/bench", value_name = "DIR")]
    out: PathBuf,
    /// Count instructions only, and compare them with the committed baseline.
    #[arg(long)]
    gauge: bool,
    /// With --gauge: write the counts as the new baseline.
    #[arg(long, requires = "gauge")]
    accept: bool,
}

/// Runs the verb.
pub(crate) fn run(lab: &Lab, args: &BenchArgs) -> Result<ExitCode> {
    raise_priority();
    let progress = Progress::default();
    let files = BootFiles::ready(lab, args.xen, &progress)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let out = args.out.canonicalize()?;
    if args.gauge {
        let mode = if args.accept { gauge::Mode::Accept } else { gauge::Mode::Compare };
        return gauge::run(lab, &files, &out, mode, &progress);
    }
    let initramfs = linux::initramfs(files.release(), &out)?;
    let sizes: Vec<_> = args.sizes.iter().map(|size| size.0).collect();
    let boots = plan::boots(lab, &files, &initramfs, &sizes, args.runs);
    let boots: Vec<Boot> = boots.into_iter().filter(|boot| args.ways.contains(&boot.kind.way)).collect();
    let (side_by_side, apart): (Vec<Boot>, Vec<Boot>) =
        boots.into_iter().partition(|boot| boot.kind.is_side_by_side());
    let mut measured = Vec::new();
    if !side_by_side.is_empty() {
        measured.extend(measure(&files, &out, &side_by_side, &progress)?);
    }
    for boot in apart {
        measured.extend(measure(&files, &out.join(&boot.name), &[boot], &progress)?);
    }
    report(&Summary::of(args.xen, measured), &out)
}

/// Puts this command and QEMU, its child, in front of whatever else the host does. Only a privileged user may; others
/// measure with more noise.
fn raise_priority() {
    // SAFETY: changes the calling process' own scheduling and nothing else.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
}

/// Boots everything in one QEMU. Guests stay when they have ended: Xen would scrub all that a destroyed one had, and
/// give the next one other memory; both would make the host back it.
fn measure(files: &BootFiles, out: &Path, boots: &[Boot], progress: &Progress) -> Result<Vec<Figures>> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let guests: Vec<&Guest> = boots.iter().map(|boot| &boot.guest).collect();
    let mut session = Session::boot(files, out, Size::for_all(&guests), progress)?;
    let mut measured = Vec::new();
    for boot in boots {
        let figures = one(&mut session, boot, progress)?;
        note!("{}", figures.line());
        measured.push(figures);
    }
    if let Some(mib) = session.peak_mib() {
        note!("QEMU's peak memory {mib} MiB; logs in {}", out.display());
    }
    Ok(measured)
}

fn one(session: &mut Session, boot: &Boot, progress: &Progress) -> Result<Figures> {
    let mut room = match boot.kind.host {
        Host::Warm => Some(warm::Room::touch(boot.guest.memory_mib)?),
        Host::Cold => None,
    };
    // Freed just before the guest starts, so that QEMU gets memory that the machine has already.
    let mut talk = |_: &mut Live<'_>| {
        drop(room.take());
        Ok(After::Follow)
    };
    let report = session.run_with(&boot.name, &boot.guest, End::Keep, progress, &mut talk, &mut |_| ())?;
    Ok(Figures::read(boot.kind, &report))
}

fn report(summary: &Summary, out: &Path) -> Result<ExitCode> {
    let promises = claims::check(summary);
    let table = table::markdown(summary, &promises);
    let _ = say::bytes(table.as_bytes());
    for (name, content) in [
        ("bench.md", table),
        ("bench.json", serde_json::to_string_pretty(summary)? + "\n"),
        ("bench.svg", picture::svg(summary)),
    ] {
        fs::write(out.join(name), content)
            .with_context(|| format!("cannot write {name} in {}", out.display()))?;
    }
    note!("table, JSON and picture: bench.md, bench.json, bench.svg in {}", out.display());
    let broken = promises.iter().any(|promise| promise.holds == Some(false));
    Ok(if broken { ExitCode::from(claims::BROKEN) } else { ExitCode::SUCCESS })
}
