//! One unpacked Xen release: where its files are, and what they hold uncompressed.
//!
//! Releases differ in whether `/lib` is merged into `/usr/lib` and in whether modules are compressed; both are hidden
//! here. `lab` fetches the release, `dom0_image` picks from it.

use crate::lab::XenVersion;
use anyhow::{Context, Result, bail};
use liblzma::read::XzDecoder;
use ruzstd::decoding::StreamingDecoder;
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

const ELF_MAGIC: &[u8] = b"\x7fELF";
const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";

const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

/// One Xen release, unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    version: XenVersion,
    root: PathBuf,
}

impl Release {
    /// The release whose packages were unpacked to `root`.
    pub(crate) fn new(version: XenVersion, root: PathBuf) -> Self {
        Self { version, root }
    }

    /// The release's number.
    pub(crate) fn name(&self) -> String {
        self.version.to_string()
    }

    /// The folder that the packages were unpacked to.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where this release's programs call each other; the path is compiled into them.
    pub(crate) fn private_folder(&self) -> String {
        format!("usr/lib/xen-{}/bin", self.version)
    }

    /// The hypervisor, gzipped.
    pub(crate) fn hypervisor(&self) -> Result<Vec<u8>> {
        self.read(&format!("boot/xen-{}-amd64.gz", self.version))
    }

    /// pv-shim, which the toolstack puts a PV guest into.
    pub(crate) fn shim(&self) -> PathBuf {
        self.root.join(format!("usr/lib/xen-{}/boot/xen-shim", self.version))
    }

    /// The initial domain's kernel, uncompressed if the release has it in a form that can be unpacked here.
    pub(crate) fn linux(&self) -> Result<Vec<u8>> {
        let path = self.find("boot", |name| name.starts_with("vmlinuz-"))?;
        let packed = fs::read(&path)?;
        let unpacked = from_magic(&packed, XZ_MAGIC)
            .and_then(|stream| unxz(stream).ok())
            .or_else(|| from_magic(&packed, ZSTD_MAGIC).and_then(|stream| unzstd(stream).ok()));
        Ok(unpacked.filter(|kernel| kernel.starts_with(ELF_MAGIC)).unwrap_or(packed))
    }

    /// A file by its name, also where the release has merged `/bin` and `/lib` into `/usr`.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let places = [self.root.join(name), self.root.join("usr").join(name)];
        for place in &places {
            if place.is_file() {
                return fs::read(place).with_context(|| format!("cannot read {}", place.display()));
            }
        }
        bail!("expected {name} in {}, found none: remove that folder and fetch again", self.root.display())
    }

    /// A shared library by the name that programs ask for it with.
    pub(crate) fn library(&self, name: &str) -> Result<Vec<u8>> {
        let private = format!("usr/lib/xen-{}/lib/x86_64-linux-gnu", self.version);
        for folder in ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", &private] {
            let path = self.root.join(folder).join(name);
            if path.is_file() {
                return fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
            }
        }
        bail!("no library {name} in {}: scripts/fetch-xen must name its package", self.root.display())
    }

    /// A kernel module, uncompressed; `None` if it is built into the kernel.
    pub(crate) fn module(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let same = |file: &str| module_stem(file).is_some_and(|stem| stem.replace('-', "_") == name);
        match find_below(&self.module_tree()?, &same)? {
            Some(path) => self.read_module(&path).map(Some),
            None => Ok(None),
        }
    }

    /// Every kernel module that is a file, by its name.
    pub(crate) fn modules(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        let mut folders = vec![self.module_tree()?];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| module_stem(name.to_str()?)).map(str::to_owned);
                match name {
                    Some(name) => found.push((name, path)),
                    None if path.is_dir() => folders.push(path),
                    None => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// A kernel module's file, uncompressed.
    pub(crate) fn read_module(&self, path: &Path) -> Result<Vec<u8>> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        if path.extension().is_some_and(|end| end == "xz") {
            return unxz(&bytes).with_context(|| format!("cannot unpack {}", path.display()));
        }
        Ok(bytes)
    }

    fn module_tree(&self) -> Result<PathBuf> {
        let modules = if self.root.join("lib/modules").is_dir() { "lib/modules" } else { "usr/lib/modules" };
        self.find(modules, |_| true)
    }

    fn find(&self, folder: &str, fits: impl Fn(&str) -> bool) -> Result<PathBuf> {
        let folder = self.root.join(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("no folder {}", folder.display()))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        match names.iter().find(|name| fits(name)) {
            Some(name) => Ok(folder.join(name)),
            None => bail!("{} lacks the file looked for: remove it and fetch again", folder.display()),
        }
    }
}

/// The module's name, if a file is one.
fn module_stem(file: &str) -> Option<&str> {
    file.strip_suffix(".xz").unwrap_or(file).strip_suffix(".ko")
}

/// What begins with the first occurrence of `magic`.
fn from_magic<'a>(data: &'a [u8], magic: &[u8]) -> Option<&'a [u8]> {
    let start = data.windows(magic.len()).position(|window| window == magic)?;
    Some(&data[start..])
}

/// Unpacks the first zstd frame; what follows it is not looked at.
fn unzstd(packed: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    StreamingDecoder::new(packed)?.read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

/// Unpacks the first xz stream; what follows it is not looked at.
fn unxz(packed: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    XzDecoder::new(packed).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn find_below(folder: &Path, fits: &dyn Fn(&str) -> bool) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find_below(&path, fits)? {
                return Ok(Some(found));
            }
        } else if path.file_name().and_then(|name| name.to_str()).is_some_and(fits) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
