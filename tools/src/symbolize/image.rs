//! A program with its debug information: what an address, or an offset into a function, stands for.
//!
//! Crate addr2line reads the lines, the symbol table gives whole names and functions by name. `mod` asks.

use super::trace::{Code, Place, Role};
use addr2line::Loader;
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use pv_layout::{input, no_code::NoCode};
use std::{
    collections::HashMap,
    env,
    ops::Range,
    path::{Path, PathBuf},
};

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// A program with its debug information and its functions by name.
pub(super) struct Image {
    loader: Loader,
    /// Address and size of each function of a name.
    pub(super) functions: HashMap<String, Vec<(u64, u64)>>,
    /// Where its code is: debug information also tells of functions that the linker left out, at addresses near 0.
    code: Vec<Range<u64>>,
    here: Option<PathBuf>,
}

impl Image {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bytes = input::program(path, |head| head.starts_with(ELF_MAGIC))?;
        if let Some(found) = NoCode::of(&bytes) {
            bail!(
                "image {}: expected a program with its code, found {found}: give the linked one",
                path.display()
            );
        }
        let functions = functions(&bytes).with_context(|| {
            format!(
                "image {}: expected an ELF file with symbols (a vmlinux, not a bzImage), found none",
                path.display()
            )
        })?;
        let loader = match Loader::new(path) {
            Ok(loader) => loader,
            Err(error) => bail!("cannot read the debug information of {}: {error}", path.display()),
        };
        let code = code(&bytes)?;
        Ok(Self { loader, functions, code, here: env::current_dir().ok() })
    }

    /// What a place stands for; nothing if it is not in this image.
    pub(super) fn lines(&self, place: &Place, stopped_at: &mut Option<u64>) -> Vec<String> {
        let Some(address) = self.address(&place.code) else { return Vec::new() };
        // A trace begins with the instruction that the registers were told for, which nothing returns to.
        let exact = place.role == Role::Stopped || *stopped_at == Some(address);
        if place.role == Role::Stopped {
            *stopped_at = Some(address);
        }
        let probe = if exact { address } else { address.saturating_sub(1) };
        if !self.code.iter().any(|code| code.contains(&probe)) {
            return Vec::new();
        }
        let found = self.frames(probe);
        if found.is_empty() { self.symbol(probe).into_iter().collect() } else { found }
    }

    fn address(&self, code: &Code) -> Option<u64> {
        match code {
            Code::Address(address) => Some(*address),
            Code::Function { name, offset, size } => {
                let known = self.functions.get(name)?;
                let same_size = known.iter().find(|(_, known)| known == size);
                same_size.or_else(|| known.first()).and_then(|(start, _)| start.checked_add(*offset))
            }
        }
    }

    /// Inlined functions first, the function itself last.
    fn frames(&self, probe: u64) -> Vec<String> {
        let mut told = Vec::new();
        let Ok(mut frames) = self.loader.find_frames(probe) else { return told };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
            let Some(place) = frame.location.as_ref().and_then(|location| self.file_and_line(location))
            else {
                continue;
            };
            told.push(format!("{place}  {}", name.as_deref().map_or("?", without_hash)));
        }
        // Debug information often has the last part of a name only; the symbol table has all of it.
        if let (Some(last), Some(name)) = (told.last_mut(), self.name(probe))
            && let Some((place, _)) = last.split_once("  ")
        {
            *last = format!("{place}  {name}");
        }
        let inlined = told.len().saturating_sub(1);
        told.iter_mut().take(inlined).for_each(|line| line.push_str(" (inlined)"));
        told
    }

    fn file_and_line(&self, location: &addr2line::Location<'_>) -> Option<String> {
        let file = Path::new(location.file?);
        let file = self.here.as_ref().and_then(|here| file.strip_prefix(here).ok()).unwrap_or(file);
        let file = short_path(&file.to_string_lossy()).to_owned();
        Some(match (location.line, location.column) {
            (Some(line), Some(column)) if column > 0 => format!("{file}:{line}:{column}"),
            (Some(line), _) => format!("{file}:{line}"),
            (None, _) => file,
        })
    }

    /// The name alone, from the symbol table.
    fn symbol(&self, probe: u64) -> Option<String> {
        self.name(probe).map(|name| format!("(no line known)  {name}"))
    }

    fn name(&self, probe: u64) -> Option<String> {
        let name = addr2line::demangle_auto(self.loader.find_symbol(probe)?.into(), None);
        Some(without_hash(&name).to_owned())
    }

    /// Whether the log has another name for an address than this image: then another image was booted.
    pub(super) fn contradicts(&self, place: &Place) -> bool {
        let Code::Address(address) = place.code else { return false };
        let last = |name: &str| name.rsplit("::").next().map(str::to_owned);
        let ours = self.name(address.saturating_sub(1));
        ours.zip(place.name.as_deref()).is_some_and(|(ours, told)| last(&ours) != last(told))
    }
}

/// Leaves out where the compiler's library and other packages are on the machine that built the image.
pub(super) fn short_path(path: &str) -> &str {
    if let Some((_, rest)) = path.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, file)| file);
    }
    path.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/')).map_or(path, |(_, file)| file)
}

/// A Rust name ends with a hash that tells a reader nothing.
pub(super) fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((short, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => short,
        _ => name,
    }
}

fn code(bytes: &[u8]) -> Result<Vec<Range<u64>>> {
    let file = object::File::parse(bytes)?;
    let sections = file.sections().filter(|section| section.kind() == SectionKind::Text);
    Ok(sections.map(|section| section.address()..section.address().saturating_add(section.size())).collect())
}

fn functions(bytes: &[u8]) -> Result<HashMap<String, Vec<(u64, u64)>>> {
    let file = object::File::parse(bytes)?;
    let mut found: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        let Ok(name) = symbol.name() else { continue };
        let name = addr2line::demangle_auto(name.into(), None);
        found.entry(without_hash(&name).to_owned()).or_default().push((symbol.address(), symbol.size()));
    }
    Ok(found)
}
