//! A guest to boot, and the toolstack's configuration for it.
//!
//! `run` makes one from the command line, `suite` one from each case; `session` and `direct` boot it.

use crate::{
    grub::{Grub, Memdisk},
    lab::link_or_copy,
    ramdisk,
    script::{self, Step},
};
use anyhow::{Result, bail};
use pv_layout::ramdisk::Ramdisk;
use std::{fs, path::Path, path::PathBuf, time::Duration};

/// Guests above this size are left alone when they end: Xen scrubs what it gets back, which would touch every page.
const SCRUBBED_UP_TO_MIB: u64 = 8 * 1024;

/// How a guest is created, and where its console is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Create {
    /// Paused, so that its whole console is in xenconsoled's log.
    Logged,
    /// By a plain `xl create -c`, as a person would.
    Plain,
}

/// What the toolstack builds the image into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Container {
    /// A PV domain.
    Pv,
    /// A PV domain with this GRUB in it, which builds the image's.
    Grub(Grub),
    /// A PVH domain with pv-shim in it, from this file: a small Xen of the guest's own, which builds it.
    Shim(PathBuf),
}

/// What a guest that reboots does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Reboot {
    // It ends, as when it powers off. (No doc comments: the help would list both at length.)
    #[default]
    #[value(name = "preserve")]
    Ends,
    // The toolstack starts it again, as a new domain with the same name.
    #[value(name = "restart")]
    Restarts,
}

/// What becomes of a guest that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Destroy,
    Keep,
}

/// What the toolstack's programs read of the P2M when the guest has ended; `readers` compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Nothing,
    /// What `xen-mfndump dump-p2m` prints.
    Mfndump,
    /// That, and what `xl dump-core` writes; it reads all of the guest's memory.
    All,
}

/// A guest to boot.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub image: PathBuf,
    pub memory_mib: u64,
    /// The most memory that it may have later, in MiB, if that is more.
    pub maxmem_mib: Option<u64>,
    pub ramdisk: Ramdisk,
    /// A newc archive for the head of a sized ramdisk.
    pub archive: Option<PathBuf>,
    pub cmdline: String,
    pub create: Create,
    pub container: Container,
    pub reading: Reading,
    pub reboot: Reboot,
    /// What is done with it while it runs.
    pub script: &'static [Step],
    /// From the guest's first instruction to its end.
    pub timeout: Duration,
}

impl Guest {
    /// What is to become of the guest when it has ended.
    pub(crate) fn end(&self) -> End {
        if self.memory_mib > SCRUBBED_UP_TO_MIB { End::Keep } else { End::Destroy }
    }

    /// The most memory that it may ever have, in MiB.
    pub(crate) fn most_mib(&self) -> u64 {
        self.memory_mib.max(self.maxmem_mib.unwrap_or(0))
    }

    /// The initial domain's memory that building this guest takes, in MiB: image and ramdisk are held there, and the
    /// toolstack keeps some bytes for each of the guest's pages, and `xen-mfndump` prints a line for each.
    pub(crate) fn builder_mib(&self) -> u64 {
        let image = fs::metadata(&self.image).map_or(0, |meta| meta.len());
        let is_read = self.reading != Reading::Nothing || script::reads_p2m(self.script);
        let listing = if is_read { self.memory_mib / 16 } else { 0 };
        512 + (image + self.ramdisk.bytes()).div_ceil(1 << 20) * 5 / 2 + self.memory_mib / 64 + listing
    }

    /// How long the toolstack may take to build the guest.
    pub(crate) fn build_timeout(&self) -> Duration {
        Duration::from_secs(60 + 4 * self.memory_mib / 1024 + self.ramdisk.bytes() / (8 << 20))
    }

    /// How long the toolstack's programs may take to read the P2M.
    pub(crate) fn reading_timeout(&self) -> Duration {
        let gib = self.memory_mib.div_ceil(1024);
        Duration::from_secs(match self.reading {
            Reading::Nothing => 0,
            Reading::Mfndump => 60 + 30 * gib,
            Reading::All => 60 + 300 * gib,
        })
    }

    /// Puts the guest's files and its configuration into `folder`, which the initial domain sees as `/host/NAME`.
    pub(crate) fn lay_out(&self, name: &str, folder: &Path) -> Result<()> {
        fs::write(folder.join("domain.cfg"), self.configuration(name)?)?;
        if let Container::Grub(grub) = &self.container {
            return self.lay_out_grub(grub, folder);
        }
        link_or_copy(&self.image, &folder.join("image"))?;
        if let Some(archive) = &self.archive {
            link_or_copy(archive, &folder.join("archive"))?;
        }
        if let Ramdisk::File(path) = &self.ramdisk {
            link_or_copy(path, &folder.join("ramdisk"))?;
        }
        if let Container::Shim(shim) = &self.container {
            link_or_copy(shim, &folder.join("xen-shim"))?;
        }
        Ok(())
    }

    /// What GRUB boots is inside it, so that the toolstack sees one file.
    fn lay_out_grub(&self, grub: &Grub, folder: &Path) -> Result<()> {
        let disk = Memdisk::new(folder.join("memdisk"))?;
        match &self.ramdisk {
            Ramdisk::None => {}
            Ramdisk::File(path) => link_or_copy(path, &disk.ramdisk())?,
            Ramdisk::Sized { bytes } => {
                ramdisk::write_sized(&disk.ramdisk(), self.archive.as_deref(), *bytes)?;
            }
        }
        grub.make(&disk, &self.image, &self.cmdline, &folder.join("image"))
    }

    /// Bytes of the ramdisk that the initial domain is to make; GRUB has its own inside.
    pub(crate) fn made_there(&self) -> u64 {
        match (&self.container, &self.ramdisk) {
            (Container::Grub(_), _) | (_, Ramdisk::None | Ramdisk::File(_)) => 0,
            (_, Ramdisk::Sized { bytes }) => *bytes,
        }
    }

    /// The toolstack's configuration; a guest that has ended stays, so that its state can be read.
    fn configuration(&self, name: &str) -> Result<String> {
        if self.cmdline.contains(['"', '\n']) {
            bail!("command line {:?}: expected no double quote and no line end in it", self.cmdline);
        }
        let (ramdisk, cmdline) = match (&self.container, &self.ramdisk) {
            (Container::Grub(_), _) => ("", ""),
            (_, Ramdisk::None) => ("", self.cmdline.as_str()),
            _ => ("ramdisk = \"/ramdisk\"\n", self.cmdline.as_str()),
        };
        let container = match self.container {
            Container::Pv | Container::Grub(_) => "type = \"pv\"",
            Container::Shim(_) => "type = \"pvh\"\npvshim = 1\npvshim_path = \"/xen-shim\"",
        };
        let maxmem = self.maxmem_mib.map_or(String::new(), |mib| format!("maxmem = {mib}\n"));
        let on_reboot = match self.reboot {
            Reboot::Ends => "preserve",
            Reboot::Restarts => "restart",
        };
        Ok(format!(
            "name = \"{name}\"\n{container}\nkernel = \"/image\"\n{ramdisk}cmdline = \"{cmdline}\"\n\
             memory = {}\n{maxmem}vcpus = 1\n\
             on_poweroff = \"preserve\"\non_reboot = \"{on_reboot}\"\non_crash = \"preserve\"\n",
            self.memory_mib
        ))
    }
}
