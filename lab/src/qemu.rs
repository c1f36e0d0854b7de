//! One QEMU process that cannot outlive the command.
//!
//! It runs in the folder of its logs, so that no path on its command line needs quoting or is too long. It is killed
//! when dropped, and by the kernel if the command itself dies.

use anyhow::{Context, Result};
use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
};

/// Above this much memory QEMU's is not reserved on the host: it is touched only where someone writes.
const RESERVED_BELOW_MIB: u64 = 6 * 1024;

/// What the machine's processor can do. `max` and most named models crash Linux or Xen under emulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processor {
    /// What Xen and PV guests need.
    Plain,
    /// Also what a guest in hardware needs, for pv-shim in it: nested paging, and a model that the shim knows. It
    /// stops at plain qemu64, and at EPYC Xen itself does.
    NestedPaging,
}

impl Processor {
    /// Without rdrand the toolstack waits three seconds for entropy whenever it makes a guest's UUID.
    const fn model(self) -> &'static str {
        match self {
            Self::Plain => "qemu64,+svm,+rdrand",
            Self::NestedPaging => "qemu64,family=23,model=1,stepping=2,+svm,+npt,+rdrand",
        }
    }
}

/// How time goes by in the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As on the host.
    Host,
    /// By instructions: each takes two nanoseconds of the machine's time, so that two runs are equal.
    Counted,
}

impl Pace {
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Host => &["-accel", "tcg,thread=multi,tb-size=512"],
            // A thread for each processor cannot be counted; the clock must not run while the processor sleeps.
            Self::Counted => {
                &["-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=1,sleep=off", "-rtc", RTC]
            }
        }
    }
}

/// The same date in every counted run, and time by the machine's own clock.
const RTC: &str = "base=2026-01-01,clock=vm";

/// A machine to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) memory_mib: u64,
    pub(crate) processor: Processor,
    pub(crate) pace: Pace,
}

/// A running QEMU.
#[derive(Debug)]
pub(crate) struct Qemu {
    child: Child,
}

impl Qemu {
    /// Starts a machine in `folder`; QEMU's own messages go to `qemu.log` there.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        machine: Machine,
        arguments: &[OsString],
    ) -> Result<Self> {
        let log = File::create(folder.join("qemu.log"))?;
        let mut command = Command::new(program);
        command
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .args(["-cpu", machine.processor.model(), "-smp", "1"])
            .args(machine.pace.arguments())
            .args(memory_arguments(machine.memory_mib))
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        // SAFETY: between fork and exec the closure makes one system call; it allocates nothing and takes no lock.
        unsafe { command.pre_exec(die_with_parent) };
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child })
    }

    /// QEMU's standard input and output, which a character device may use; once.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.child.stdin.take()?, self.child.stdout.take()?))
    }

    /// Whether QEMU has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The most memory that QEMU has had resident so far, in MiB; `None` once it has ended.
    pub(crate) fn peak_mib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kib / 1024)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Both fail only if QEMU is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn memory_arguments(memory_mib: u64) -> Vec<String> {
    if memory_mib < RESERVED_BELOW_MIB {
        return vec!["-m".into(), format!("{memory_mib}M")];
    }
    let backend = format!("memory-backend-ram,size={memory_mib}M,reserve=off,id=ram");
    [
        "-m".into(),
        format!("{memory_mib}M"),
        "-object".into(),
        backend,
        "-machine".into(),
        "memory-backend=ram".into(),
    ]
    .into()
}

fn die_with_parent() -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG reads its one argument and changes nothing but the calling process' own setting.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
