//! Where modules come from: a newc archive in the ramdisk, or the one built into the image.
//!
//! A ramdisk without a module is common (ramdisks are also used just to move the P2M), so a blank one falls back to the
//! built-in module; one that holds anything other than an archive is an error that says so. Neighbours: `newc` reads
//! the archive, `load` loads what is found here.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use ko_loader::gunzip::{self, GzipError};
use ko_loader::{Archive, Format, ModuleError, NewcError, NotFound, Source, order};

use super::load;
use crate::error::{BootError, InStage};
use crate::stage::Stage;
use pv_memory::direct_map;
use pv_memory::frames::Run;
use pv_memory::layout::{Layout, Name};
use pv_memory::memory::Memory;
use pv_memory::tables::Tables;
use pv_memory::vmalloc::{Area, Near, Vmalloc};
use xen::Hypervisor;
use xen::addr::pages_for;

/// The ramdisk's pages: owned, so that nobody else writes to them, and mapped in the direct map.
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
    pub fn claim<X: Hypervisor>(
        layout: &Layout,
        memory: &mut Memory<'_>,
        xen: &mut X,
    ) -> Result<Option<Self>, BootError> {
        let Some(ramdisk) = layout.ramdisk else { return Ok(None) };
        let pages = layout.pages(Name::Ramdisk);
        direct_map::extend(memory, &[pages], xen).stage(Stage::Module)?;
        let run = memory.frames.adopt(pages).map_err(Into::into).stage(Stage::Module)?;
        // The length was checked against the domain's memory: fits any usize.
        Ok(Some(Self { run, len: ramdisk.bytes as usize }))
    }

    /// Borrows the ramdisk's bytes.
    pub fn bytes<X: Hypervisor>(&self, tables: &Tables, xen: &X) -> &[u8] {
        tables.window().bytes(xen, &self.run, self.len)
    }
}

/// The unpacked bytes of a compressed ramdisk, in an area of their own.
#[derive(Debug)]
pub struct Unpacked {
    area: Area,
    len: usize,
}

impl Unpacked {
    /// Unpacks the ramdisk if it is a gzip stream.
    ///
    /// # Errors
    /// [`BootError::Module`] if the stream is damaged, [`BootError::Memory`] if there is no room.
    pub fn take<X: Hypervisor>(
        ramdisk: Option<&[u8]>,
        vmalloc: &mut Vmalloc,
        memory: &mut Memory<'_>,
        xen: &mut X,
    ) -> Result<Option<Self>, BootError> {
        let Some(packed) = ramdisk.filter(|bytes| Format::of(bytes) == Format::Gzip) else { return Ok(None) };
        let named = |error: GzipError| BootError::Module("ramdisk".to_owned(), ModuleError::Gzip(error));
        let len = gunzip::measure(packed).map_err(named)?;
        let mut area =
            vmalloc.allocate(Near::Nothing, pages_for(len).max(1), memory, xen).stage(Stage::Vmalloc)?;
        gunzip::unpack(packed, |offset, bytes| load::write(&mut area, offset, bytes, xen)).map_err(named)?;
        log::info!(target: Stage::Module.name(), "ramdisk: gzip, {} bytes unpacked to {len}", packed.len());
        // Not more than 256 MiB: fits any usize.
        Ok(Some(Self { area, len: len as usize }))
    }

    /// Borrows the bytes.
    pub fn bytes<X: Hypervisor>(&self, xen: &X) -> &[u8] {
        self.area.span().bytes(xen, self.len)
    }
}

/// Finds the modules to load, in order of their dependencies: those named and what they need, or all; the built-in one
/// if the ramdisk has none.
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
        log::info!(target: Stage::Module.name(), "no module in the ramdisk: loading the built-in one, {}", built_in.name);
        found.push(built_in);
    }
    order(&found, wanted).map_err(|NotFound(name)| BootError::NoSuchModule(name))
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
