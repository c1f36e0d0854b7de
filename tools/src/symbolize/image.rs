//! A program with its debug information: what an address, or an offset into a function, stands for.
//!
//! Crate addr2line reads the lines, the symbol table gives whole names and functions by name. `mod` asks.

use super::trace::{Code, Named, Place, Role};
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
    /// The functions of each name.
    pub(super) functions: HashMap<String, Vec<Function>>,
    /// Where its code is: debug information also lists functions that the linker left out, at addresses near 0.
    code: Vec<Range<u64>>,
    here: Option<PathBuf>,
    /// In hexadecimal, if it has one.
    build_id: Option<String>,
}

/// Where a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) start: u64,
    /// In bytes.
    pub(super) size: u64,
}

/// Whether a place of a log is in an image, by what the log itself says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// The log has the name for it that the image has.
    Ours,
    /// The log has another name for it, or a function that the image does not have in this form.
    Others,
    /// The log has an address and no name.
    Unnamed,
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
        let build_id = object::File::parse(bytes.as_slice())?.build_id()?;
        let build_id = build_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect());
        Ok(Self { loader, functions, code, here: env::current_dir().ok(), build_id })
    }

    /// The image's build-id in hexadecimal.
    #[cfg(test)]
    pub(super) fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// Whether a log with this build-id is of this image.
    pub(super) fn is_built_as(&self, build_id: &str) -> bool {
        self.build_id.as_ref().is_some_and(|own| own.starts_with(build_id))
    }

    /// Whether a place is in this image, by the names of both.
    pub(super) fn belongs(&self, place: &Place) -> Belongs {
        match (&place.code, &place.named) {
            (Code::Function { name, size, .. }, _) => {
                let known =
                    self.functions.get(name).is_some_and(|known| known.iter().any(|own| own.size == *size));
                if known { Belongs::Ours } else { Belongs::Others }
            }
            (Code::Address(address), Some(named)) => match self.is_at(named, *address) {
                true => Belongs::Ours,
                false => Belongs::Others,
            },
            (Code::Address(_), None) => Belongs::Unnamed,
        }
    }

    /// Whether a function is where the log has it. A log has the last part of some names only.
    fn is_at(&self, named: &Named, address: u64) -> bool {
        let Some(start) = address.checked_sub(named.offset) else { return false };
        let last = |name: &str| name.rsplit("::").next().map(str::to_owned);
        let begins = self.loader.find_symbol_info(start).is_some_and(|symbol| symbol.address() == start);
        begins && self.name(start).is_some_and(|ours| last(&ours) == last(&named.name))
    }

    /// What a place stands for; nothing if it is not in this image.
    pub(super) fn lines(&self, place: &Place, stopped_at: &mut Option<u64>) -> Vec<String> {
        let Some(address) = self.address(&place.code) else { return Vec::new() };
        // A trace begins with the instruction that the registers were printed for, which nothing returns to.
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
                known.iter().find(|known| known.size == *size)?.start.checked_add(*offset)
            }
        }
    }

    /// Inlined functions first, the function itself last.
    fn frames(&self, probe: u64) -> Vec<String> {
        let mut lines = Vec::new();
        let Ok(mut frames) = self.loader.find_frames(probe) else { return lines };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
            let Some(place) = frame.location.as_ref().and_then(|location| self.file_and_line(location))
            else {
                continue;
            };
            lines.push(format!("{place}  {}", name.as_deref().map_or("?", without_hash)));
        }
        // Debug information often has the last part of a name only; the symbol table has all of it.
        if let (Some(last), Some(name)) = (lines.last_mut(), self.name(probe))
            && let Some((place, _)) = last.split_once("  ")
        {
            *last = format!("{place}  {name}");
        }
        let inlined = lines.len().saturating_sub(1);
        lines.iter_mut().take(inlined).for_each(|line| line.push_str(" (inlined)"));
        lines
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
}

/// Leaves out where the compiler's library and other packages are on the machine that built the image.
pub(super) fn short_path(path: &str) -> &str {
    if let Some((_, rest)) = path.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, file)| file);
    }
    path.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/')).map_or(path, |(_, file)| file)
}

/// A Rust name ends with a hash that means nothing to a reader.
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

fn functions(bytes: &[u8]) -> Result<HashMap<String, Vec<Function>>> {
    let file = object::File::parse(bytes)?;
    let mut found: HashMap<String, Vec<Function>> = HashMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        let Ok(name) = symbol.name() else { continue };
        let name = addr2line::demangle_auto(name.into(), None);
        let function = Function { start: symbol.address(), size: symbol.size() };
        found.entry(without_hash(&name).to_owned()).or_default().push(function);
    }
    Ok(found)
}
