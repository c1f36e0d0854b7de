//! The machines that `suite` boots its cases in, and what was seen of each boot.
//!
//! Guests that give their memory back share one, by size, and so do those in pv-shim; a guest that keeps its memory has
//! one to itself, and so has each direct boot. A machine that is lost is not used again, and one that no case is left
//! for ends. `lanes` says who shares what, `expect` judges what was seen.

use crate::{
    cases::{Case, Start},
    direct,
    dom0_image::BootFiles,
    expect::{Column, Judged, Seen},
    guest::{Container, Guest, Reading},
    lab::fresh_folder,
    lanes::{Job, Shared},
    live::{After, Live},
    player,
    progress::Progress,
    qemu::Pace,
    readers,
    session::{Session, Size},
};
use anyhow::Result;
use pv_layout::{
    image::PvImage,
    input,
    predict::{
        self, Gzip,
        domain::{Builder, Domain, Plan},
    },
    report::scene_of_run,
    sizes::Size as Bytes,
    verdict::Outcome,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A machine that stays while there are cases to come for it.
struct Kept {
    shared: Shared,
    size: Size,
    to_come: usize,
    session: Option<Session>,
}

impl Kept {
    fn for_any(shared: Shared, jobs: &[Job<'_>]) -> Self {
        let its: Vec<_> =
            jobs.iter().filter(|job| Shared::of(job) == Some(shared)).map(|job| &job.guest).collect();
        Self { shared, size: Size::for_any(&its), to_come: its.len(), session: None }
    }

    /// Its folder below the suite's.
    const fn folder(&self) -> &'static str {
        match self.shared {
            Shared::Small => "shared",
            Shared::Large => "large",
            Shared::Shim => "shim",
        }
    }

    /// The machine as the last case left it, or a fresh one.
    fn take(&mut self, setting: &Setting, guest: &Guest, progress: &Progress) -> Result<Session> {
        if let Some(running) = self.session.take() {
            return Ok(running);
        }
        let mut fresh = Session::boot(&setting.files, &setting.out.join(self.folder()), self.size, progress)?;
        if self.shared == Shared::Shim {
            prepare_for_shim(&mut fresh, guest, progress)?;
        }
        Ok(fresh)
    }
}

/// What all cases of a run have in common.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) files: BootFiles,
    /// Where logs go.
    pub(crate) out: PathBuf,
    /// What this release's toolstack does with a packed ramdisk.
    pub(crate) gzip: Gzip,
}

/// The machines that the cases of a lane run in.
///
/// The kernel ends a QEMU when the thread that started it ends: they belong to one thread, which drops them.
pub(crate) struct Machines<'a> {
    setting: &'a Setting,
    progress: Progress,
    kept: [Kept; 3],
}

impl<'a> Machines<'a> {
    /// Starts none yet.
    pub(crate) fn new(setting: &'a Setting, jobs: &[Job<'_>], progress: Progress) -> Self {
        let kept = [Shared::Small, Shared::Large, Shared::Shim].map(|shared| Kept::for_any(shared, jobs));
        Self { setting, progress, kept }
    }

    /// Boots one case and judges it.
    pub(crate) fn boot(&mut self, job: &Job<'_>) -> Result<Judged> {
        match job.case.start {
            Start::Dom0 => self.boot_directly(job.case, &job.guest, direct::Port::Xen),
            Start::Dom0Com2 => self.boot_directly(job.case, &job.guest, direct::Port::Com2),
            Start::Guest | Start::Plain | Start::Shim | Start::Grub(_) => self.boot_guest(job),
        }
    }

    /// Where a case's logs are.
    pub(crate) fn folder(&self, case: &Case) -> PathBuf {
        let out = &self.setting.out;
        let shared = self.kept.iter().map(|kept| format!("{}/{}", kept.folder(), case.name));
        let own = format!("{}-machine/{}", case.name, case.name);
        let found = shared.chain([own]).map(|name| out.join(name)).find(|folder| folder.is_dir());
        found.unwrap_or_else(|| out.join(case.name.as_ref()))
    }

    fn boot_guest(&mut self, job: &Job<'_>) -> Result<Judged> {
        let Job { case, guest, .. } = job;
        let (setting, progress) = (self.setting, &self.progress);
        let shared = Shared::of(job);
        let Some(kept) = self.kept.iter_mut().find(|kept| Some(kept.shared) == shared) else {
            let folder = setting.out.join(format!("{}-machine", case.name));
            let mut own = Session::boot(&setting.files, &folder, Size::for_any(&[guest]), progress)?;
            return run_guest(&mut own, job, setting.gzip, progress);
        };
        kept.to_come -= 1;
        let mut running = kept.take(setting, guest, progress)?;
        let judged = run_guest(&mut running, job, setting.gzip, progress)?;
        kept.session = (kept.to_come > 0).then_some(running);
        Ok(judged)
    }

    fn boot_directly(&self, case: &Case, guest: &Guest, port: direct::Port) -> Result<Judged> {
        let folder = self.setting.out.join(case.name.as_ref());
        fresh_folder(&folder)?;
        let report = direct::boot(Pace::Host, &self.setting.files, &folder, guest, port, &mut |_| ())?;
        let xen = log(&folder, "xen.log");
        let golden = golden(case, Column::InitialDomain)?;
        let seen = Seen {
            outcome: report.outcome,
            script: report.complaint.as_deref(),
            console: &report.console,
            xen: &xen,
            toolstack: None,
            prediction: Some(prediction(guest, Builder::Xen, Gzip::Kept, memory(guest))),
            golden: golden.as_deref(),
            listed: "",
            readings: &[],
        };
        Ok(Judged::of(case, &seen))
    }
}

/// Boots the image as a PV guest before the first in pv-shim, whatever comes of it: under emulation the first domain of
/// a machine spins before its first line if it is one in hardware, and later ones do not.
pub(crate) fn prepare_for_shim(session: &mut Session, guest: &Guest, progress: &Progress) -> Result<()> {
    // It must end by itself, whatever the guest is told to do.
    let first = Guest { container: Container::Pv, cmdline: String::new(), script: &[], ..guest.clone() };
    session.run("first", &first, progress, &mut |_| ()).map(drop)
}

fn run_guest(session: &mut Session, job: &Job<'_>, gzip: Gzip, progress: &Progress) -> Result<Judged> {
    let Job { case, guest, .. } = job;
    let mut complaint = None;
    let mut talk = |live: &mut Live<'_>| {
        complaint = player::play(live, guest.script, guest.timeout)?;
        Ok(if complaint.is_none() { After::Follow } else { After::Stop })
    };
    let report = session.run_with(&case.name, guest, guest.end(), progress, &mut talk, &mut |_| ())?;
    let (toolstack, xen) = (log(&report.folder, "xl.log"), log(&report.folder, "xl-dmesg.log"));
    let logged = case.start == Start::Guest && report.outcome != Outcome::NotBuilt;
    let toolstack = logged.then_some(toolstack.as_str());
    let built = report.outcome != Outcome::NotBuilt;
    let prediction = match case.start {
        Start::Guest if built => Some(prediction(guest, Builder::Toolstack, gzip, memory(guest))),
        Start::Grub(_) if built => Some(prediction(guest, Builder::Grub, Gzip::Kept, memory(guest))),
        Start::Shim if built => {
            Some(prediction(guest, Builder::Shim, Gzip::Kept, printed_pages(&report.console)))
        }
        Start::Guest | Start::Grub(_) | Start::Shim | Start::Plain | Start::Dom0 | Start::Dom0Com2 => None,
    };
    let golden = golden(case, Column::Guest)?;
    let listed = case.listed.map(|file| input::text(Path::new(file))).transpose()?;
    let ended = !matches!(report.outcome, Outcome::NotBuilt | Outcome::Timeout);
    let reading = if ended { guest.reading } else { Reading::Nothing };
    let readings = readers::in_folder(reading, &report.folder, &report.console);
    let seen = Seen {
        outcome: report.outcome,
        script: complaint.as_deref(),
        console: &report.console,
        xen: &xen,
        toolstack,
        prediction,
        golden: golden.as_deref(),
        listed: listed.as_deref().unwrap_or(""),
        readings: &readings,
    };
    Ok(Judged::of(case, &seen))
}

/// The pages of a domain that has all the memory it was given.
const fn memory(guest: &Guest) -> Option<u64> {
    Some(Bytes::of_mib(guest.memory_mib).pages())
}

/// The pages of a domain in pv-shim: what its container's Xen left, which only the domain says.
fn printed_pages(console: &[String]) -> Option<u64> {
    scene_of_run("", console)?.pages
}

/// The layout that arithmetic gives the guest, or why a builder should refuse it.
fn prediction(guest: &Guest, builder: Builder, gzip: Gzip, pages: Option<u64>) -> Result<Plan, String> {
    let pages = pages.ok_or("the guest does not say how many pages it has")?;
    let placed = || Ok((PvImage::read(&guest.image)?.kernel(), predict::bytes(&guest.ramdisk, gzip)?));
    let (kernel, ramdisk) = placed().map_err(|error: anyhow::Error| format!("{error:#}"))?;
    let domain = Domain { builder, pages, kernel, ramdisk };
    domain.plan().map_err(|refusal| refusal.to_string())
}

fn log(folder: &Path, name: &str) -> String {
    let bytes = fs::read(folder.join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn golden(case: &Case, column: Column) -> Result<Option<String>> {
    let read = |(_, file): (&str, &str)| input::text(Path::new(file)).map(|text| column.of(&text));
    case.golden.map(read).transpose()
}
