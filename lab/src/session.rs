//! One QEMU with Xen and a Linux initial domain in it, which runs guests one after the other.
//!
//! Host and initial domain share a folder (9p); commands and answers are lines on the second serial port, which is
//! QEMU's standard input and output. `scripts/dom0-init` is the other end, and says what the lines mean. `dom0_image`
//! makes what is booted here; `run` and `suite` use sessions.

pub(crate) use crate::session_size::Size;
use crate::{
    dom0_image::BootFiles,
    guest::{Create, End, Guest, Reading},
    lab::{fresh_folder, link_or_copy},
    progress::Progress,
    qemu::{Machine, Pace, Qemu},
    ramdisk,
    tail::Tail,
};
use anyhow::{Context, Result, bail};
use pv_layout::{ramdisk::Ramdisk, verdict::Outcome};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// For Xen and the initial domain; Xen walks over all memory, so a large machine gets more.
const BOOT_TIMEOUT: Duration = Duration::from_secs(120);
const MIB_PER_SECOND_MORE: u64 = 4096;
/// For the reading of logs and the destroying of a guest, after it has ended.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// What became of one guest.
#[derive(Debug)]
pub(crate) struct Report {
    pub outcome: Outcome,
    /// The state letters of `xl list` when the guest had ended; "-" if it was never built.
    pub state: String,
    pub console: Vec<String>,
    /// Where its logs are.
    pub folder: PathBuf,
    pub ran_for: Duration,
}

/// A running QEMU with Xen and an initial domain that waits for commands.
#[derive(Debug)]
pub(crate) struct Session {
    qemu: Qemu,
    commands: ChildStdin,
    answers: Receiver<String>,
    folder: PathBuf,
    xen_console: Tail,
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
        let mut qemu = Qemu::start(files.qemu(), folder, machine, &arguments(size))?;
        let (commands, output) = qemu.pipes().context("QEMU was started without pipes")?;
        let mut session = Self {
            qemu,
            commands,
            answers: follow_answers(output),
            folder: folder.to_path_buf(),
            xen_console: Tail::new(folder.join("xen.log")),
        };
        let limit = BOOT_TIMEOUT + Duration::from_secs(size.total_mib / MIB_PER_SECOND_MORE);
        session.wait_for("ready", Instant::now() + limit, &mut || ())?;
        step.done();
        Ok(session)
    }

    /// Runs one guest from its creation to its end; `on_line` gets each console line as it is written.
    pub(crate) fn run(
        &mut self,
        name: &str,
        guest: &Guest,
        progress: &Progress,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Report> {
        self.run_prepared(name, guest, guest.end(), progress, &mut || (), on_line)
    }

    /// As [`Session::run`], with the caller's choice of its end; calls `before_start` when the guest is built and about
    /// to start.
    pub(crate) fn run_prepared(
        &mut self,
        name: &str,
        guest: &Guest,
        end: End,
        progress: &Progress,
        before_start: &mut dyn FnMut(),
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Report> {
        let folder = self.folder.join(name);
        self.lay_out(name, guest, &folder)?;
        let mut console = Console::new(&folder, on_line);
        let start = Instant::now();
        let step = progress.step("creating the guest");
        self.command(name, guest, end)?;
        let answer = self.wait_for("created|failed", start + guest.build_timeout(), &mut || ())?;
        let created = Instant::now();
        let mut report = Report::new(folder);
        if answer.starts_with("created") {
            before_start();
            step.done();
            let deadline = Instant::now() + guest.timeout + CLOSING_TIMEOUT;
            let end = self.wait_for("ended|timeout", deadline, &mut || console.follow())?;
            report.state = end.split(' ').nth(2).unwrap_or("-").to_owned();
            report.ran_for = created.elapsed();
            report.outcome = if end.starts_with("timeout") { Outcome::Timeout } else { Outcome::Crash };
        }
        let closing = CLOSING_TIMEOUT + guest.reading_timeout();
        self.wait_for("idle", Instant::now() + closing, &mut || console.follow())?;
        report.console = console.finish();
        report.judge(&answer);
        Ok(report)
    }

    /// The most memory that QEMU has had resident so far, in MiB.
    pub(crate) fn peak_mib(&self) -> Option<u64> {
        self.qemu.peak_mib()
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

    fn command(&mut self, name: &str, guest: &Guest, end: End) -> Result<()> {
        let mode = match guest.create {
            Create::Logged => "log",
            Create::Plain => "plain",
        };
        let end = match end {
            End::Destroy => "destroy",
            End::Keep => "keep",
        };
        let reading = match guest.reading {
            Reading::Nothing => "nothing",
            Reading::Mfndump => "mfndump",
            Reading::All => "all",
        };
        let (limit, bytes) = (guest.timeout.as_secs(), guest.made_there());
        let line = format!("run {name} {mode} {limit} {bytes} {end} {reading}\n");
        self.commands.write_all(line.as_bytes()).context("the initial domain takes no commands any more")?;
        self.commands.flush().context("the initial domain takes no commands any more")
    }

    /// Waits for an answer that begins with one of the words of `wanted`.
    fn wait_for(&mut self, wanted: &str, deadline: Instant, meanwhile: &mut dyn FnMut()) -> Result<String> {
        loop {
            match self.answers.recv_timeout(POLL) {
                Ok(answer) if wanted.split('|').any(|word| answer.starts_with(word)) => return Ok(answer),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => bail!(self.lost("its serial port closed")),
                Err(RecvTimeoutError::Timeout) => {}
            }
            meanwhile();
            if let Some(status) = self.qemu.ended() {
                bail!(self.lost(&format!("QEMU ended ({status})")));
            }
            if let Some(line) = dom0_end(&mut self.xen_console) {
                bail!(self.lost(&format!("Xen says \"{line}\"")));
            }
            if Instant::now() > deadline {
                bail!(self.lost("it did not answer in time"));
            }
        }
    }

    fn lost(&self, why: &str) -> String {
        format!(
            "the initial domain is lost: {why}. Xen's console is in {0}/xen.log, QEMU's messages are in {0}/qemu.log",
            self.folder.display()
        )
    }
}

impl Report {
    fn new(folder: PathBuf) -> Self {
        let (outcome, state) = (Outcome::NotBuilt, "-".to_owned());
        Self { outcome, state, console: Vec::new(), folder, ran_for: Duration::ZERO }
    }

    /// Takes the guest's own verdict, if it ended in a way that lets it have one.
    fn judge(&mut self, answer: &str) {
        let crashed = self.state.contains('c');
        if answer.starts_with("created") && self.outcome == Outcome::Crash && !crashed {
            self.outcome = Outcome::of_console(&self.console);
        }
    }
}

/// A guest's console while it is written.
struct Console<'a> {
    tail: Tail,
    lines: Vec<String>,
    on_line: &'a mut dyn FnMut(&str),
}

impl<'a> Console<'a> {
    fn new(folder: &Path, on_line: &'a mut dyn FnMut(&str)) -> Self {
        Self { tail: Tail::new(folder.join("console.log")), lines: Vec::new(), on_line }
    }

    fn follow(&mut self) {
        for line in self.tail.lines() {
            (self.on_line)(&line);
            self.lines.push(line);
        }
    }

    fn finish(mut self) -> Vec<String> {
        for line in self.tail.finish() {
            (self.on_line)(&line);
            self.lines.push(line);
        }
        self.lines
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

/// Xen's line on the end of its initial domain; the line itself need not have an end.
fn dom0_end(xen_console: &mut Tail) -> Option<String> {
    let mut lines = xen_console.lines();
    lines.push(xen_console.unfinished());
    lines.into_iter().find(|line| line.contains("(XEN) Hardware Dom0 "))
}

fn follow_answers(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            if sender.send(line.trim().to_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}
