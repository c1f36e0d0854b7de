//! Where modules come from: a newc archive in the ramdisk, or the one built into the image.
//!
//! A ramdisk without a module in it is common (people size ramdisks to push the P2M around), so a blank one falls
//! back to the built-in module; one that holds something else than an archive is an error, named. Neighbours:
//! `newc` reads the archive, `load` loads what is found here.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Archive, ModuleError, NewcError};
use crate::addr::{PfnRange, pages_for};
use crate::error::{BootError, InStage};
use crate::mm::direct_map;
use crate::mm::frames::{Frames, Run};
use crate::mm::layout::{Layout, Name};
use crate::mm::p2m::{P2m, State};
use crate::mm::tables::Tables;
use crate::xen::Hypervisor;
use crate::xen::start_info::RamdiskPlace;

/// A module's name and object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// Name, without its extension.
    pub name: &'a str,
    /// The relocatable object.
    pub object: &'a [u8],
}

/// The ramdisk's pages, owned so that nobody writes to them, and shown by the direct map.
#[derive(Debug)]
pub struct RamdiskPages {
    run: Run,
    len: usize,
}

impl RamdiskPages {
    /// Claims the ramdisk, mapping it if the builder did not.
    ///
    /// # Errors
    /// [`BootError::Memory`] if its pages cannot be mapped.
    pub fn claim<X: Hypervisor, S: State>(
        layout: &Layout,
        p2m: &P2m<S>,
        tables: &mut Tables,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Option<Self>, BootError> {
        let Some(ramdisk) = layout.ramdisk else { return Ok(None) };
        let pages = match ramdisk.place {
            RamdiskPlace::Mapped(_) => layout.pages(Name::Ramdisk),
            RamdiskPlace::Unmapped(first) => PfnRange::new(first, pages_for(ramdisk.bytes)),
        };
        direct_map::extend(tables, &[pages], frames, xen, |xen, window, slot| {
            p2m.leaf_words(window, xen, slot)
        })
        .stage("module")?;
        let run = frames.adopt(pages).map_err(Into::into).stage("module")?;
        // The length was checked against the domain's memory: fits any usize.
        Ok(Some(Self { run, len: ramdisk.bytes as usize }))
    }

    /// Borrows the ramdisk's bytes.
    pub fn bytes<X: Hypervisor>(&self, tables: &Tables, xen: &X) -> &[u8] {
        tables.window().bytes(xen, &self.run, self.len)
    }
}

/// Finds the modules to load: those named, or all; the built-in one if the ramdisk has none.
///
/// # Errors
/// [`BootError::Module`] if the archive is damaged, [`BootError::NoSuchModule`] for a name that is not in it.
pub fn find<'a>(
    ramdisk: Option<&'a [u8]>,
    wanted: &[String],
    built_in: Source<'a>,
) -> Result<Vec<Source<'a>>, BootError> {
    let mut found = match ramdisk {
        Some(bytes) => in_archive(bytes).map_err(|error| BootError::Module("ramdisk".to_owned(), error))?,
        None => Vec::new(),
    };
    if found.is_empty() {
        log::info!(target: "module", "no module in the ramdisk: loading the built-in one, {}", built_in.name);
        found.push(built_in);
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let pick = |name: &String| {
        let source = found.iter().find(|source| source.name == name.as_str());
        source.copied().ok_or_else(|| BootError::NoSuchModule(name.clone()))
    };
    wanted.iter().map(pick).collect()
}

fn in_archive(bytes: &[u8]) -> Result<Vec<Source<'_>>, ModuleError> {
    let archive = match Archive::open(bytes) {
        Ok(archive) => archive,
        Err(NewcError::Empty | NewcError::Blank { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for entry in archive.entries() {
        let entry = entry?;
        if let Some(name) = entry.module_name() {
            found.push(Source { name, object: entry.data });
        }
    }
    Ok(found)
}
