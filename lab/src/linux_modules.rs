//! Modules of a distribution kernel that the image can load, found by rule: every symbol that they want is exported.
//!
//! The image carries the names of its export table between `_export_names` and `_export_names_end`. The suite takes
//! all modules of the initial domain's kernel package that want no other, unmodified but for their compression, and
//! puts them into an archive with the module that calls them. They are only ever loaded, never shipped. A second
//! archive has every module of the package: whatever the image cannot load, it must refuse by name.

use crate::release::Release;
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSegment, ObjectSymbol};
use pv_layout::out;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Writes the archive, and beside it a list of the modules' names; says how many there are.
pub(crate) fn prepare(release: &Release, image: &Path, caller: &Path, archive: &Path) -> Result<()> {
    let exports = exports(image)?;
    let caller =
        fs::read(caller).with_context(|| format!("cannot read {}: build it with make", caller.display()))?;
    let modules = release.modules()?;
    let (mut files, mut names) = (vec![("linux_calls.o".to_owned(), caller)], vec!["linux_calls".to_owned()]);
    for (name, path) in &modules {
        let object = release.read_module(path)?;
        if wants_only(&object, &exports)? {
            files.push((format!("{name}.ko"), object));
            names.push(name.replace('-', "_"));
        }
    }
    ensure!(files.len() > 1, "no module of {} needs only what the image exports", release.root().display());
    out!(
        "{} of {} modules of the kernel package want only what the image exports",
        files.len() - 1,
        modules.len()
    );
    crate::archive::write(archive, &files)?;
    fs::write(archive.with_extension("names"), names.join("\n") + "\n")?;
    Ok(())
}

/// Writes an archive of every module of the package.
pub(crate) fn prepare_all(release: &Release, archive: &Path) -> Result<()> {
    let read = |(name, path): &(String, PathBuf)| Ok((format!("{name}.ko"), release.read_module(path)?));
    let files = release.modules()?.iter().map(read).collect::<Result<Vec<_>>>()?;
    out!("{} modules, all of the kernel package", files.len());
    crate::archive::write(archive, &files)
}

/// The names in an image's export table.
fn exports(image: &Path) -> Result<BTreeSet<String>> {
    let bytes = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let file = object::File::parse(&*bytes)?;
    let address = |name: &str| {
        let symbol = file
            .symbol_by_name(name)
            .with_context(|| format!("cannot find symbol {name} in {}", image.display()));
        symbol.map(|symbol| symbol.address())
    };
    let (start, end) = (address("_export_names")?, address("_export_names_end")?);
    let text = file.segments().find_map(|segment| segment.data_range(start, end - start).ok().flatten());
    let text = str::from_utf8(text.context("the export names lie in no segment")?)?;
    Ok(text.split(['\n', '\0']).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

fn wants_only(object: &[u8], exports: &BTreeSet<String>) -> Result<bool> {
    let file = object::File::parse(object)?;
    let wanted = file.symbols().filter(|symbol| symbol.is_undefined());
    Ok(wanted.filter_map(|symbol| symbol.name().ok()).all(|name| name.is_empty() || exports.contains(name)))
}
