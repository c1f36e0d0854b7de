//! The machines that `suite` boots its cases in, and what was seen of each boot.
//!
//! Guests that give their memory back share one, and so do those in pv-shim; a large guest has one to itself, and so
//! has each direct boot. A machine that is lost is not used again. `expect` judges what was seen.

use crate::{
    cases::{Case, Start},
    direct,
    dom0_image::BootFiles,
    expect::{Column, Judged, Seen},
    guest::{Container, End, Guest, Reading},
    lab::fresh_folder,
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

/// Cases that run in one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shared {
    /// Guests that give their memory back.
    Pv,
    /// What boots in pv-shim.
    Shim,
}

impl Shared {
    /// The machine that a case shares, unless it has one of its own.
    fn of(case: &Case, guest: &Guest) -> Option<Self> {
        match case.start {
            Start::Guest | Start::Plain | Start::Grub(_) => (guest.end() == End::Destroy).then_some(Self::Pv),
            Start::Shim => Some(Self::Shim),
            Start::Dom0 | Start::Dom0Com2 => None,
        }
    }

    /// Its folder below the suite's.
    const fn folder(self) -> &'static str {
        match self {
            Self::Pv => "shared",
            Self::Shim => "shim",
        }
    }
}

/// A machine that stays for the cases to come.
struct Kept {
    size: Size,
    session: Option<Session>,
}

impl Kept {
    fn for_any(shared: Shared, cases: &[&Case], guests: &[Guest]) -> Self {
        let all = cases.iter().zip(guests);
        let its: Vec<_> =
            all.filter(|(case, guest)| Shared::of(case, guest) == Some(shared)).map(|(_, g)| g).collect();
        Self { size: Size::for_any(&its), session: None }
    }
}

/// The machines that the cases run in.
pub(crate) struct Machines {
    files: BootFiles,
    out: PathBuf,
    /// What this release's toolstack does with a packed ramdisk.
    gzip: Gzip,
    pv: Kept,
    shim: Kept,
}

impl Machines {
    /// Starts none yet; logs go to `out`, where this release's toolstack does this with a packed ramdisk.
    pub(crate) fn new(files: BootFiles, out: PathBuf, gzip: Gzip, cases: &[&Case], guests: &[Guest]) -> Self {
        let kept = |shared| Kept::for_any(shared, cases, guests);
        Self { files, out, gzip, pv: kept(Shared::Pv), shim: kept(Shared::Shim) }
    }

    /// Boots one case and judges it.
    pub(crate) fn boot(&mut self, case: &Case, guest: &Guest) -> Result<Judged> {
        match case.start {
            Start::Dom0 => self.boot_directly(case, guest, direct::Port::Xen),
            Start::Dom0Com2 => self.boot_directly(case, guest, direct::Port::Com2),
            Start::Guest | Start::Plain | Start::Shim | Start::Grub(_) => self.boot_guest(case, guest),
        }
    }

    /// Where a case's logs are.
    pub(crate) fn folder(&self, case: &Case) -> PathBuf {
        let shared = [Shared::Pv, Shared::Shim].map(|shared| format!("{}/{}", shared.folder(), case.name));
        let own = format!("{}-machine/{}", case.name, case.name);
        let found =
            shared.iter().chain([&own]).map(|name| self.out.join(name)).find(|folder| folder.is_dir());
        found.unwrap_or_else(|| self.out.join(case.name.as_ref()))
    }

    fn boot_guest(&mut self, case: &Case, guest: &Guest) -> Result<Judged> {
        let Some(shared) = Shared::of(case, guest) else {
            let folder = self.out.join(format!("{}-machine", case.name));
            let mut own = session(&self.files, &folder, Size::for_any(&[guest]))?;
            return run_guest(&mut own, case, guest, self.gzip);
        };
        let kept = match shared {
            Shared::Pv => &mut self.pv,
            Shared::Shim => &mut self.shim,
        };
        let mut running = match kept.session.take() {
            Some(running) => running,
            None => {
                let folder = self.out.join(shared.folder());
                let mut fresh = session(&self.files, &folder, kept.size)?;
                if shared == Shared::Shim {
                    prepare_for_shim(&mut fresh, guest)?;
                }
                fresh
            }
        };
        let judged = run_guest(&mut running, case, guest, self.gzip)?;
        kept.session = Some(running);
        Ok(judged)
    }

    fn boot_directly(&self, case: &Case, guest: &Guest, port: direct::Port) -> Result<Judged> {
        let folder = self.out.join(case.name.as_ref());
        fresh_folder(&folder)?;
        let report = direct::boot(Pace::Host, &self.files, &folder, guest, port, &mut |_| ())?;
        let xen = log(&folder, "xen.log");
        let golden = golden(case, Column::InitialDomain)?;
        let seen = Seen {
            outcome: report.outcome,
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

fn session(files: &BootFiles, folder: &Path, size: Size) -> Result<Session> {
    Session::boot(files, folder, size, &Progress::default())
}

/// Boots the image as a PV guest before the first in pv-shim, whatever comes of it: under emulation the first domain of
/// a machine spins before its first line if it is one in hardware, and later ones do not.
pub(crate) fn prepare_for_shim(session: &mut Session, guest: &Guest) -> Result<()> {
    let first = Guest { container: Container::Pv, ..guest.clone() };
    session.run("first", &first, &Progress::default(), &mut |_| ()).map(drop)
}

fn run_guest(session: &mut Session, case: &Case, guest: &Guest, gzip: Gzip) -> Result<Judged> {
    let report = session.run(&case.name, guest, &Progress::default(), &mut |_| ())?;
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
