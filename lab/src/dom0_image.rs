//! Makes the three files that QEMU boots: Xen, the initial domain's kernel, and its initramfs.
//!
//! They are made once per Xen release and kept in `target/lab/xen-VERSION/boot-KEY`, where the key is a digest of
//! the script that becomes `/init`, of the lists below and of the release's folder. Both kernels are stored
//! uncompressed: QEMU's multiboot loader wants Xen so, and unpacking Linux under emulation costs seconds at each
//! boot. A debug build of Xen takes the place of the release's own. `lab` fetches the release before, `session` boots
//! the result.

use crate::{
    elf_needs,
    lab::{Lab, XenVersion},
    progress::Progress,
    release::Release,
};
use anyhow::{Context, Result, bail};
use cpio::{NewcBuilder, newc::ModeFileType};
use flate2::read::GzDecoder;
use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// Programs of the toolstack; all live in the release's private folder.
const PROGRAMS: [&str; 7] =
    ["xl", "xenstored", "xenconsoled", "xenconsole", "xen-init-dom0", "xen-mfndump", "libxl-save-helper"];
/// Programs that read and write xenstore.
const XENSTORE: [&str; 5] =
    ["xenstore-watch", "xenstore-read", "xenstore-write", "xenstore-ls", "xenstore-list"];
/// Kernel modules: the toolstack's devices, and the 9p share with the host.
const MODULES: [&str; 8] =
    ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "virtio_pci", "9pnet_virtio", "9p"];
/// Loaded by threads at run time, so no program names it.
const EXTRA_LIBRARIES: [&str; 1] = ["libgcc_s.so.1"];
const FOLDERS: [&str; 14] = [
    "proc",
    "sys",
    "dev",
    "host",
    "tmp",
    "etc/xen",
    "var/run/xen",
    "var/run/xenstored",
    "var/lib/xen",
    "var/lib/xenstored",
    "var/lock",
    "var/log/xen/console",
    "usr/sbin",
    "usr/bin",
];

/// The bootable files of one Xen release.
#[derive(Debug, Clone)]
pub(crate) struct BootFiles {
    release: Release,
    folder: PathBuf,
    xen: PathBuf,
    qemu: PathBuf,
}

impl BootFiles {
    /// The bootable files, made first if they are missing or stale.
    pub(crate) fn ready(lab: &Lab, version: XenVersion, progress: &Progress) -> Result<Self> {
        let qemu = lab.qemu(progress)?;
        lab.fetch(version, progress)?;
        let home = lab.xen(version.release());
        let release = Release::new(version.release(), home.join("root"));
        let init = fs::read(lab.path("scripts/dom0-init")).context("cannot read scripts/dom0-init")?;
        let folder = home.join(format!("boot-{:016x}", key(&release, &init)?));
        if !folder.is_dir() {
            remove_stale(&home)?;
            let step = progress.step(format!("building the initial domain for Xen {version}"));
            build(&release, &init, &folder)
                .with_context(|| format!("cannot build the initial domain for Xen {version}"))?;
            step.done();
        }
        let xen = match version {
            XenVersion::V4_17Debug => lab.debug_hypervisor(),
            _ => folder.join("xen"),
        };
        Ok(Self { release, folder, xen, qemu })
    }

    /// The QEMU that boots them.
    pub(crate) fn qemu(&self) -> &Path {
        &self.qemu
    }

    /// The release that they were made of.
    pub(crate) fn release(&self) -> &Release {
        &self.release
    }

    /// The hypervisor, uncompressed.
    pub(crate) fn xen(&self) -> &Path {
        &self.xen
    }

    /// The initial domain's kernel.
    pub(crate) fn linux(&self) -> PathBuf {
        self.folder.join("vmlinux")
    }

    /// The initial domain's files.
    pub(crate) fn initramfs(&self) -> PathBuf {
        self.folder.join("dom0.cpio")
    }
}

fn key(release: &Release, init: &[u8]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    (init, PROGRAMS, XENSTORE, MODULES, EXTRA_LIBRARIES, FOLDERS, env!("CARGO_PKG_VERSION"))
        .hash(&mut hasher);
    fs::metadata(release.root())?.modified()?.duration_since(UNIX_EPOCH)?.hash(&mut hasher);
    Ok(hasher.finish())
}

/// Removes what was made for an earlier key; a session that still runs has links of its own.
fn remove_stale(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("boot-")) {
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Builds into a folder beside the final one and renames it, so that a folder that exists is whole.
fn build(release: &Release, init: &[u8], folder: &Path) -> Result<()> {
    let partial = folder.with_extension("partial");
    crate::lab::fresh_folder(&partial)?;
    let mut xen = Vec::new();
    GzDecoder::new(release.hypervisor()?.as_slice()).read_to_end(&mut xen).context("cannot unpack Xen")?;
    fs::write(partial.join("xen"), xen)?;
    fs::write(partial.join("vmlinux"), release.linux()?)?;
    let files = collect(release, init)?;
    fs::write(partial.join("dom0.cpio"), archive(&files)?)?;
    fs::rename(&partial, folder).with_context(|| format!("cannot rename to {}", folder.display()))
}

/// Every file of the initramfs by its name there.
fn collect(release: &Release, init: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    files.insert("init".to_owned(), init.to_vec());
    files.insert("etc/xen/xl.conf".to_owned(), Vec::new());
    files.insert("bin/busybox".to_owned(), release.read("bin/busybox")?);
    for program in PROGRAMS {
        let name = format!("{}/{program}", release.private_folder());
        files.insert(name.clone(), release.read(&name)?);
    }
    for program in XENSTORE {
        let name = format!("usr/bin/{program}");
        files.insert(name.clone(), release.read(&name)?);
    }
    add_libraries(release, &mut files)?;
    for (index, (name, data)) in load_order(release)?.into_iter().enumerate() {
        files.insert(format!("modules/{index:02}-{name}.ko"), data);
    }
    Ok(files)
}

fn add_libraries(release: &Release, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    let mut wanted: Vec<String> = EXTRA_LIBRARIES.map(str::to_owned).to_vec();
    for data in files.values() {
        wanted.extend(elf_needs::libraries(data)?);
    }
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let data = release.library(&name)?;
        wanted.extend(elf_needs::libraries(&data)?);
        let folder = if name.starts_with("ld-linux") { "lib64" } else { "lib/x86_64-linux-gnu" };
        files.insert(format!("{folder}/{name}"), data);
    }
    Ok(())
}

/// The modules in the order in which they load: each after those that it depends on.
fn load_order(release: &Release) -> Result<Vec<(String, Vec<u8>)>> {
    let mut loaded = Vec::new();
    for name in MODULES {
        load_after_dependencies(release, name, &mut loaded)?;
    }
    Ok(loaded)
}

fn load_after_dependencies(release: &Release, name: &str, loaded: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let name = name.replace('-', "_");
    if loaded.iter().any(|(done, _)| *done == name) {
        return Ok(());
    }
    let Some(data) = release.module(&name)? else {
        return Ok(());
    };
    for dependency in elf_needs::modules(&data) {
        load_after_dependencies(release, &dependency, loaded)?;
    }
    loaded.push((name, data));
    Ok(())
}

fn archive(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let mut folders = BTreeSet::new();
    let named = FOLDERS.iter().map(|folder| Path::new(folder).join("x"));
    for path in named.chain(files.keys().map(PathBuf::from)) {
        folders.extend(
            path.ancestors().skip(1).filter_map(|f| f.to_str()).filter(|f| !f.is_empty()).map(str::to_owned),
        );
    }
    let mut out = Vec::new();
    for folder in &folders {
        add(&mut out, folder, ModeFileType::Directory, &[])?;
    }
    for (name, data) in files {
        add(&mut out, name, ModeFileType::Regular, data)?;
    }
    cpio::newc::trailer(&mut out)?;
    Ok(out)
}

fn add(out: &mut Vec<u8>, name: &str, kind: ModeFileType, data: &[u8]) -> Result<()> {
    let Ok(length) = u32::try_from(data.len()) else {
        bail!("a file of {} bytes is too long for a newc archive", data.len());
    };
    // The mode first: setting it clears the file type.
    let mut writer = NewcBuilder::new(name).mode(0o755).set_mode_file_type(kind).write(&mut *out, length);
    writer.write_all(data)?;
    writer.finish()?;
    Ok(())
}
