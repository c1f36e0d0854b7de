//! Boots an image directly as Xen's initial domain: no Linux, no toolstack, two seconds to its first line.
//!
//! Xen puts the domain's console on its own (com1); its own lines begin with `(XEN)`. The second serial port is the
//! domain's to drive. `run` and `suite` use it.

use crate::{
    dom0_image::BootFiles,
    guest::Guest,
    lab::link_or_copy,
    player,
    qemu::{Machine, Pace, Processor, Qemu},
    ramdisk,
    script::{Peer, Ran},
    tail::Tail,
};
use anyhow::{Context, Result, bail};
use pv_layout::{ramdisk::Ramdisk, verdict::Outcome};
use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::Path,
    process::ChildStdin,
    thread,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(20);
/// Xen's own start, before the image runs.
const XEN_START: Duration = Duration::from_secs(60);
/// What a machine needs besides its initial domain, in MiB.
const BESIDES_MIB: u64 = 512;

/// Where the image's console is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// Xen's own console.
    Xen,
    /// The second serial port.
    Com2,
}

/// What became of the image.
#[derive(Debug)]
pub(crate) struct Report {
    pub outcome: Outcome,
    pub console: Vec<String>,
    /// Why a script ended before its end.
    pub complaint: Option<String>,
    pub peak_mib: Option<u64>,
}

/// How a boot has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Xen says that its initial domain has halted.
    Halted,
    /// Xen says that it, or its initial domain, has crashed.
    Crashed,
    /// QEMU ended, and Xen has not said anything of an end.
    Unsaid,
}

/// Boots the image; `on_line` gets each console line as it is written.
pub(crate) fn boot(
    pace: Pace,
    files: &BootFiles,
    folder: &Path,
    guest: &Guest,
    port: Port,
    on_line: &mut dyn FnMut(&str),
) -> Result<Report> {
    lay_out(files, folder, guest)?;
    let memory_mib =
        guest.memory_mib + guest.memory_mib / 32 + BESIDES_MIB + guest.ramdisk.bytes().div_ceil(1 << 20);
    let machine = Machine { memory_mib, processor: Processor::Plain, pace };
    let mut qemu = Qemu::start(files.qemu(), folder, machine, &arguments(guest, port))?;
    let keyboard = if guest.script.is_empty() { None } else { keyboard(&mut qemu) };
    let mut domain = InitialDomain::new(qemu, folder, port, keyboard, on_line);
    let limit = guest.timeout + XEN_START;
    let complaint = player::play(&mut domain, guest.script, limit)?;
    if complaint.is_none() {
        domain.follow_to_its_end(limit)?;
    }
    let InitialDomain { qemu, end, console, .. } = domain;
    if end == Some(End::Unsaid) && fs::metadata(folder.join("xen.log")).map_or(0, |meta| meta.len()) == 0 {
        bail!("QEMU ended before Xen said anything: see {}/qemu.log", folder.display());
    }
    Ok(Report { outcome: judge(end, &console), console, complaint, peak_mib: qemu.peak_mib() })
}

/// The serial port's other end. What comes out of it is in the log already, and only has to be taken.
fn keyboard(qemu: &mut Qemu) -> Option<ChildStdin> {
    let (input, mut output) = qemu.pipes()?;
    thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    Some(input)
}

/// A domain that is running.
struct InitialDomain<'a> {
    qemu: Qemu,
    xen: Tail,
    com2: Tail,
    port: Port,
    keyboard: Option<ChildStdin>,
    console: Vec<String>,
    on_line: &'a mut dyn FnMut(&str),
    end: Option<End>,
}

impl<'a> InitialDomain<'a> {
    fn new(
        qemu: Qemu,
        folder: &Path,
        port: Port,
        keyboard: Option<ChildStdin>,
        on_line: &'a mut dyn FnMut(&str),
    ) -> Self {
        let (xen, com2) = (Tail::new(folder.join("xen.log")), Tail::new(folder.join("com2.log")));
        Self { qemu, xen, com2, port, keyboard, console: Vec::new(), on_line, end: None }
    }

    fn follow_to_its_end(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.end.is_none() && Instant::now() < deadline {
            self.listen()?;
        }
        Ok(())
    }
}

impl Peer for InitialDomain<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<Ran> {
        let Some(keyboard) = &mut self.keyboard else {
            bail!("QEMU was started without a serial port to type at")
        };
        keyboard
            .write_all(bytes)
            .and_then(|()| keyboard.flush())
            .context("QEMU takes nothing that is typed")?;
        Ok(Ran::default())
    }

    fn shell(&mut self, command: &str, _: Duration) -> Result<Ran> {
        Ok(Ran {
            status: 127,
            output: format!("{command}: there is no toolstack: the image is the initial domain"),
        })
    }

    fn read_p2m(&mut self, _: Duration) -> Result<Vec<String>> {
        Ok(vec!["there is no toolstack to read it: the image is the initial domain".to_owned()])
    }

    fn listen(&mut self) -> Result<()> {
        thread::sleep(POLL);
        let ended = self.qemu.ended();
        let lines = self.xen.lines();
        self.end = self.end.or(lines.iter().chain([&self.xen.unfinished()]).find_map(|line| end_of(line)));
        let shown = match self.port {
            Port::Xen => lines.into_iter().filter(|line| !line.starts_with("(XEN)")).collect(),
            Port::Com2 => self.com2.lines(),
        };
        shown.iter().for_each(|line| (self.on_line)(line));
        self.console.extend(shown);
        self.end = self.end.or_else(|| ended.map(|_| End::Unsaid));
        Ok(())
    }

    fn lines(&self) -> &[String] {
        &self.console
    }

    fn unfinished(&self) -> String {
        let tail = match self.port {
            Port::Xen => &self.xen,
            Port::Com2 => &self.com2,
        };
        tail.unfinished().trim_matches('\r').to_owned()
    }

    fn ended(&self) -> Option<&str> {
        self.end.map(|_| "-")
    }
}

fn judge(end: Option<End>, console: &[String]) -> Outcome {
    match end {
        Some(End::Crashed) => Outcome::Crash,
        Some(End::Halted | End::Unsaid) => Outcome::of_console(console),
        None => Outcome::Timeout,
    }
}

fn end_of(line: &str) -> Option<End> {
    let said = line.strip_prefix("(XEN)")?;
    if said.contains("Panic on CPU") {
        return Some(End::Crashed);
    }
    // The line may not be complete yet: the word is when something follows it.
    let (word, _) = said.split_once("Hardware Dom0 ")?.1.split_once([' ', ':'])?;
    Some(if ["halted", "shutdown"].contains(&word) { End::Halted } else { End::Crashed })
}

fn lay_out(files: &BootFiles, folder: &Path, guest: &Guest) -> Result<()> {
    for name in ["xen", "image", "ramdisk", "xen.log", "com2.log"] {
        let _ = fs::remove_file(folder.join(name));
    }
    link_or_copy(files.xen(), &folder.join("xen"))?;
    link_or_copy(&guest.image, &folder.join("image"))?;
    match &guest.ramdisk {
        Ramdisk::None => Ok(()),
        Ramdisk::File(path) => link_or_copy(path, &folder.join("ramdisk")),
        Ramdisk::Sized { bytes } => {
            ramdisk::write_sized(&folder.join("ramdisk"), guest.archive.as_deref(), *bytes)
        }
    }
}

fn arguments(guest: &Guest, port: Port) -> Vec<OsString> {
    let xen = format!(
        "com1=115200,8n1 console=com1 bootscrub=0 loglvl=all guest_loglvl=all noreboot dom0_max_vcpus=1 \
         dom0_mem={0}M,max:{0}M",
        guest.memory_mib
    );
    // QEMU splits modules at commas; a doubled one stands for itself.
    let image = format!("image {}", guest.cmdline.replace(',', ",,"));
    let modules = if guest.ramdisk == Ramdisk::None { image } else { format!("{image},ramdisk") };
    let mut arguments: Vec<_> =
        ["-kernel", "xen", "-append", &xen, "-initrd", &modules].map(OsString::from).into();
    for (this, log) in [(Port::Xen, "xen.log"), (Port::Com2, "com2.log")] {
        let is_typed_at = this == port && !guest.script.is_empty();
        let typed_at = format!("stdio,id=keyboard,signal=off,logfile={log}");
        let file = format!("file:{log}");
        let device: &[&str] = if is_typed_at {
            &["-chardev", &typed_at, "-serial", "chardev:keyboard"]
        } else {
            &["-serial", &file]
        };
        arguments.extend(device.iter().map(OsString::from));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::{End, end_of, judge};
    use pv_layout::verdict::Outcome;

    #[test]
    fn only_xen_says_that_its_initial_domain_has_ended() {
        assert_eq!(end_of("(XEN) Hardware Dom0 halted: halting machine"), Some(End::Halted));
        assert_eq!(
            end_of("(XEN) Hardware Dom0 crashed: 'noreboot' set - not rebooting."),
            Some(End::Crashed)
        );
        assert_eq!(end_of("Hardware Dom0 halted: halting machine"), None);
        for begun in ["(XEN) Hardware Dom0", "(XEN) Hardware Dom0 hal"] {
            assert_eq!(end_of(begun), None, "{begun}: how it ended is not known yet");
        }
    }

    #[test]
    fn a_crash_outweighs_a_printed_verdict() {
        let console = ["Test result: SUCCESS".to_owned()];
        assert_eq!(judge(Some(End::Crashed), &console), Outcome::Crash);
        assert_eq!(judge(Some(End::Halted), &console), Outcome::Success);
        assert_eq!(judge(None, &console), Outcome::Timeout);
    }
}
