//! Boots an image directly as Xen's initial domain: no Linux, no toolstack, two seconds to its first line.
//!
//! Xen puts the domain's console on its own (com1); its own lines begin with `(XEN)`. The second serial port is the
//! domain's to drive. `run` and `suite` use it.

use crate::{
    dom0_image::BootFiles,
    guest::Guest,
    lab::link_or_copy,
    qemu::{Machine, Pace, Processor, Qemu},
    ramdisk,
    tail::Tail,
};
use anyhow::{Result, bail};
use pv_layout::{ramdisk::Ramdisk, verdict::Outcome};
use std::{
    ffi::OsString,
    fs,
    path::Path,
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
    let mut qemu = Qemu::start(files.qemu(), folder, machine, &arguments(guest))?;
    let mut xen = Tail::new(folder.join("xen.log"));
    let mut com2 = Tail::new(folder.join("com2.log"));
    let mut console = Vec::new();
    let deadline = Instant::now() + guest.timeout + XEN_START;
    let mut end = None;
    while end.is_none() && Instant::now() < deadline && qemu.ended().is_none() {
        thread::sleep(POLL);
        let lines = xen.lines();
        end = lines.iter().chain([&xen.unfinished()]).find_map(|line| end_of(line));
        let shown = match port {
            Port::Xen => lines.into_iter().filter(|line| !line.starts_with("(XEN)")).collect(),
            Port::Com2 => com2.lines(),
        };
        shown.iter().for_each(|line| on_line(line));
        console.extend(shown);
    }
    let end = end.or_else(|| qemu.ended().map(|_| End::Unsaid));
    if end == Some(End::Unsaid) && fs::metadata(folder.join("xen.log")).map_or(0, |meta| meta.len()) == 0 {
        bail!("QEMU ended before Xen said anything: see {}/qemu.log", folder.display());
    }
    Ok(Report { outcome: judge(end, &console), console, peak_mib: qemu.peak_mib() })
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

fn arguments(guest: &Guest) -> Vec<OsString> {
    let xen = format!(
        "com1=115200,8n1 console=com1 bootscrub=0 loglvl=all guest_loglvl=all noreboot dom0_max_vcpus=1 \
         dom0_mem={0}M,max:{0}M",
        guest.memory_mib
    );
    // QEMU splits modules at commas; a doubled one stands for itself.
    let image = format!("image {}", guest.cmdline.replace(',', ",,"));
    let modules = if guest.ramdisk == Ramdisk::None { image } else { format!("{image},ramdisk") };
    [
        "-kernel",
        "xen",
        "-append",
        &xen,
        "-initrd",
        &modules,
        "-serial",
        "file:xen.log",
        "-serial",
        "file:com2.log",
    ]
    .map(OsString::from)
    .into()
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
