//! One crate's files and the imports between them: every path is followed to the file that defines what it names.
//!
//! A re-export is followed to its end: whoever takes a name from `report` takes it from `finding.rs`, where it is
//! defined. A module's declaration is no import, and neither is the name of a module: what is taken from it is.

use super::scan::{self, Module, Path as Written};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Re-exports of re-exports end somewhere, but for circles of them.
const DEEPEST: usize = 16;

/// A module by its number in [`Crate`].
type Id = usize;

/// A module, its file and its neighbours.
#[derive(Debug)]
struct Node {
    file: PathBuf,
    parent: Option<Id>,
    children: BTreeMap<String, Id>,
    own: Module,
}

/// The modules of a crate, the root first.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    nodes: Vec<Node>,
}

/// That one file takes something from another, and where it says so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Crate {
    /// Reads the crate whose root is `file`.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let mut read = Self::default();
        let folder = file.parent().context("a crate's root lies in a folder")?;
        read.file(file, folder, None)?;
        Ok(read)
    }

    /// Adds a file; the files of its modules are in `folder`.
    fn file(&mut self, file: &Path, folder: &Path, parent: Option<Id>) -> Result<Id> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let tokens = scan::tokens(&text).with_context(|| format!("cannot read {}", file.display()))?;
        self.add(scan::module(&tokens), file, folder, parent)
    }

    fn add(&mut self, mut own: Module, file: &Path, folder: &Path, parent: Option<Id>) -> Result<Id> {
        let (files, inside) = (std::mem::take(&mut own.files), std::mem::take(&mut own.inside));
        let id = self.nodes.len();
        self.nodes.push(Node { file: file.to_path_buf(), parent, children: BTreeMap::new(), own });
        for (name, module) in inside {
            let child = self.add(module, file, &folder.join(&name), Some(id))?;
            self.nodes[id].children.insert(name, child);
        }
        for (name, path) in files {
            let (path, below) = place(file, folder, &name, path.as_deref())?;
            let child = self.file(&path, &below, Some(id))?;
            self.nodes[id].children.insert(name, child);
        }
        Ok(id)
    }

    /// Every import between two files, once for each pair.
    pub(crate) fn imports(&self) -> Vec<Import> {
        let mut found = BTreeMap::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let own = &node.own;
            for path in own.imports.values().chain(&own.written) {
                self.note(id, path, self.follow(id, &path.parts, 0).and_then(Found::file), &mut found);
            }
            for path in &own.globs {
                let module = self.follow(id, &path.parts, 0).and_then(|found| found.module());
                self.note(id, path, module, &mut found);
            }
        }
        found.into_values().collect()
    }

    fn note(
        &self,
        from: Id,
        path: &Written,
        to: Option<Id>,
        found: &mut BTreeMap<(PathBuf, PathBuf), Import>,
    ) {
        let Some(to) = to.map(|to| &self.nodes[to].file) else { return };
        let from = &self.nodes[from].file;
        if from != to {
            let import =
                Import { from: from.clone(), to: to.clone(), line: path.line, what: path.parts.join("::") };
            found.entry((from.clone(), to.clone())).or_insert(import);
        }
    }

    /// Follows a path that is written in module `at`.
    fn follow(&self, at: Id, parts: &[String], depth: usize) -> Option<Found> {
        let (first, rest) = parts.split_first()?;
        let start = match first.as_str() {
            "crate" => Found::Module(0),
            "self" => Found::Module(at),
            "super" => Found::Module(self.nodes[at].parent?),
            name => self.name(at, name, depth)?,
        };
        rest.iter().try_fold(start, |found, part| match found {
            Found::Item(id) => Some(Found::Item(id)),
            Found::Module(id) if part == "super" => self.nodes[id].parent.map(Found::Module),
            Found::Module(id) if part == "self" => Some(Found::Module(id)),
            Found::Module(id) => self.name(id, part, depth),
        })
    }

    /// What a name stands for in a module.
    fn name(&self, at: Id, name: &str, depth: usize) -> Option<Found> {
        let node = &self.nodes[at];
        if depth > DEEPEST {
            return None;
        }
        if let Some(child) = node.children.get(name) {
            return Some(Found::Module(*child));
        }
        if node.own.defined.contains(name) {
            return Some(Found::Item(at));
        }
        if let Some(path) = node.own.imports.get(name) {
            // `use name::..` inside a module that imports `name` itself is another crate's.
            return (path.parts.first().is_some_and(|first| first != name) || path.parts.len() > 1)
                .then(|| self.follow(at, &path.parts, depth + 1))
                .flatten();
        }
        node.own.globs.iter().find_map(|glob| {
            let module = self.follow(at, &glob.parts, depth + 1)?.module()?;
            (module != at).then(|| self.name(module, name, depth + 1)).flatten()
        })
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
enum Found {
    Module(Id),
    /// Something that this module defines.
    Item(Id),
}

impl Found {
    const fn file(self) -> Option<Id> {
        match self {
            Self::Item(id) => Some(id),
            Self::Module(_) => None,
        }
    }

    const fn module(self) -> Option<Id> {
        match self {
            Self::Module(id) => Some(id),
            Self::Item(_) => None,
        }
    }
}

/// Where the file of a module is, and where its own modules' files are.
fn place(file: &Path, folder: &Path, name: &str, attribute: Option<&str>) -> Result<(PathBuf, PathBuf)> {
    if let Some(path) = attribute {
        let path = file.parent().unwrap_or(folder).join(path);
        let below = path.parent().unwrap_or(folder).to_path_buf();
        return Ok((path, below));
    }
    let below = folder.join(name);
    for path in [folder.join(format!("{name}.rs")), below.join("mod.rs")] {
        if path.is_file() {
            return Ok((path, below));
        }
    }
    bail!("{}: expected a file for module {name} in {}, found none", file.display(), folder.display())
}
