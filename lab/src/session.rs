//! One QEMU with Xen and a Linux initial domain in it, which runs guests one after the other.
//!
//! Host and initial domain share a folder (9p); `agent` is the line between them. `dom0_image` makes what is booted
//! here; `run` and `suite` use sessions, and talk to a guest that runs through `live`.

pub(crate) use crate::session_size::Size;
use crate::{
    agent::Agent,
    console::Console,
    dom0_image::BootFiles,
    guest::{Create, End, Guest, Reboot},
    lab::{fresh_folder, link_or_copy},
    live::{After, Live},
    progress::Progress,
    qemu::{Machine, Pace, Qemu},
    ramdisk,
};
use anyhow::{Context, Result};
use pv_layout::{ramdisk::Ramdisk, verdict::Outcome};
use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// For Xen and the initial domain; Xen walks over all memory, so a large machine gets more.
const BOOT_TIMEOUT: Duration = Duration::from_secs(120);
const MIB_PER_SECOND_MORE: u64 = 4096;

/// What became of one guest.
#[derive(Debug)]
pub(crate) struct Report {
    pub outcome: Outcome,
    pub console: Vec<String>,
    /// Where its logs are.
    pub folder: PathBuf,
    /// From its creation to its end.
    pub ran_for: Duration,
}

/// A running QEMU with Xen and an initial domain that waits for commands.
#[derive(Debug)]
pub(crate) struct Session {
    agent: Agent,
    folder: PathBuf,
}

impl Session {
    /// Boots Xen and the initial domain, with logs and shared files in `folder`, and waits until it is ready.
    pub(crate) fn boot(files: &BootFiles, folder: &Path, size: Size, progress: &Progress) -> Result<Self> {
        let step = progress.step("booting Xen and the initial domain");
        fresh_folder(&folder.join("console"))?;
        // What an earlier session said must not be taken for this one's.
        let _ = fs::remove_file(folder.join("xen.log"));
        link_files(files, folder)?;
        let machine = Machine { memory_mib: size.total_mib, processor: size.processor, pace: Pace::Host };
        let qemu = Qemu::start(files.qemu(), folder, machine, &arguments(size))?;
        let mut agent = Agent::new(qemu, folder)?;
        let limit = BOOT_TIMEOUT + Duration::from_secs(size.total_mib / MIB_PER_SECOND_MORE);
        agent.wait_for("ready", Instant::now() + limit, &mut || ())?;
        step.done();
        Ok(Self { agent, folder: folder.to_path_buf() })
    }

    /// Runs one guest from its creation to its end; `on_line` gets each console line as it is written.
    pub(crate) fn run(
        &mut self,
        name: &str,
        guest: &Guest,
        progress: &Progress,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Report> {
        self.run_with(name, guest, guest.end(), progress, &mut |_| Ok(After::Follow), on_line)
    }

    /// As [`Session::run`], with the caller's choice of its end; calls `talk` when the guest is built and about to
    /// start.
    pub(crate) fn run_with(
        &mut self,
        name: &str,
        guest: &Guest,
        end: End,
        progress: &Progress,
        talk: &mut dyn FnMut(&mut Live<'_>) -> Result<After>,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Report> {
        let folder = self.folder.join(name);
        self.lay_out(name, guest, &folder)?;
        let console = Console::new(&folder, on_line);
        let step = progress.step("creating the guest");
        self.agent.forget_end();
        self.agent.tell(&format!("begin {name} {} {}", mode(guest), guest.made_there()))?;
        let limit = Instant::now() + guest.build_timeout();
        let built = self.agent.wait_for("created|failed", limit, &mut || ())?.starts_with("created");
        let created = Instant::now();
        let mut live = Live::new(&mut self.agent, name, &folder, console);
        let mut after = After::Stop;
        if built {
            step.done();
            after = talk(&mut live)?;
            if after == After::Follow {
                live.wait_for_end(guest.timeout)?;
            }
        }
        let ran_for = created.elapsed();
        let console = live.finish(end, guest)?;
        let outcome = match self.agent.ended() {
            _ if !built => Outcome::NotBuilt,
            None if after != After::Stop => Outcome::Timeout,
            Some(state) if state.contains('c') => Outcome::Crash,
            Some(_) | None => Outcome::of_console(&console),
        };
        Ok(Report { outcome, console, folder, ran_for })
    }

    /// The most memory that QEMU has had resident so far, in MiB.
    pub(crate) fn peak_mib(&self) -> Option<u64> {
        self.agent.peak_mib()
    }

    /// The guest's folder with its files, and its console log, which xenconsoled knows by another name.
    fn lay_out(&self, name: &str, guest: &Guest, folder: &Path) -> Result<()> {
        fresh_folder(folder)?;
        guest.lay_out(name, folder)?;
        if let (Ramdisk::Sized { bytes }, Some(archive)) = (&guest.ramdisk, &guest.archive) {
            ramdisk::check_fits(archive, *bytes)?;
        }
        let console = folder.join("console.log");
        File::create(&console)?;
        let alias = self.folder.join(format!("console/guest-{name}.log"));
        let _ = fs::remove_file(&alias);
        fs::hard_link(&console, &alias).with_context(|| format!("cannot link {}", alias.display()))
    }
}

/// The agent's word for how the guest is created.
const fn mode(guest: &Guest) -> &'static str {
    match (guest.create, guest.reboot) {
        (Create::Plain, _) => "plain",
        (Create::Logged, Reboot::Ends) => "log",
        (Create::Logged, Reboot::Restarts) => "restart",
    }
}

fn link_files(files: &BootFiles, folder: &Path) -> Result<()> {
    for (from, name) in
        [(files.xen().to_owned(), "xen"), (files.linux(), "vmlinux"), (files.initramfs(), "dom0.cpio")]
    {
        let to = folder.join(name);
        let _ = fs::remove_file(&to);
        link_or_copy(&from, &to)?;
    }
    Ok(())
}

fn arguments(size: Size) -> Vec<OsString> {
    let xen = format!(
        "com1=115200,8n1 console=com1 bootscrub=0 loglvl=all guest_loglvl=all noreboot dom0_max_vcpus=1 \
         dom0_mem={0}M,max:{0}M",
        size.dom0_mib
    );
    let modules = "vmlinux console=hvc0 quiet rdinit=/init,dom0.cpio";
    let share = "local,path=.,mount_tag=host,security_model=none,multidevs=remap";
    ["-kernel", "xen", "-append", &xen, "-initrd", modules, "-virtfs", share]
        .into_iter()
        .chain([
            "-serial",
            "file:xen.log",
            "-chardev",
            "stdio,id=agent,signal=off",
            "-serial",
            "chardev:agent",
        ])
        .map(OsString::from)
        .collect()
}
