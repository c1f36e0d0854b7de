//! The tree of a modelled store: values, who has changed what since when, and changes that take effect together.
//!
//! Each node has the number of its last change. A transaction works on a copy, and remembers of every node that it
//! touches which change it knew; if another came meanwhile, it conflicts. Making or removing a node changes its parent,
//! which has the list of its children. So a request that stands alone is a transaction that ends at once.
//!
//! Sources: docs/misc/xenstore.txt; tools/xenstore/{xenstored_core.c, xenstored_transaction.c} (behaviour).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The most bytes of a node that a guest writes (`quota_max_entry_size`), without what the daemon adds to it.
const LARGEST_NODE: usize = 2048;

/// A value, and the number of its last change.
#[derive(Clone, Debug, Default)]
struct Node {
    value: Vec<u8>,
    change: u64,
}

/// Which watches a change of a path fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of the path and of those above it.
    Above,
    /// Those of the path alone: it went because one above it did.
    Exact,
}

/// All values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<String, Node>,
    changes: u64,
}

impl Tree {
    pub(crate) fn value(&self, path: &str) -> Option<&[u8]> {
        self.nodes.get(path).map(|node| node.value.as_slice())
    }

    fn change(&self, path: &str) -> Option<u64> {
        self.nodes.get(path).map(|node| node.change)
    }

    fn put(&mut self, path: &str, value: Vec<u8>) {
        self.changes += 1;
        self.nodes.insert(path.to_string(), Node { value, change: self.changes });
    }
}

/// Changes that take effect together.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    tree: Tree,
    /// Paths it has touched, and the change of each that it knew.
    touched: BTreeMap<String, Option<u64>>,
    fired: Vec<(String, Reach)>,
}

impl Work {
    pub(crate) fn begin(tree: &Tree) -> Self {
        Self { tree: tree.clone(), touched: BTreeMap::new(), fired: Vec::new() }
    }

    /// Makes the changes; returns which watches they fire.
    ///
    /// # Errors
    /// `EAGAIN` if somebody else has changed what this has touched.
    pub(crate) fn commit(self, tree: &mut Tree) -> Result<Vec<(String, Reach)>, &'static str> {
        if self.touched.iter().any(|(path, known)| tree.change(path) != *known) {
            return Err("EAGAIN");
        }
        for (path, known) in &self.touched {
            match self.tree.nodes.get(path) {
                Some(node) if Some(node.change) == *known => {}
                Some(node) => tree.put(path, node.value.clone()),
                None => drop(tree.nodes.remove(path)),
            }
        }
        Ok(self.fired)
    }

    pub(crate) fn read(&mut self, path: &str) -> Result<Vec<u8>, &'static str> {
        self.touch(path);
        self.tree.value(path).map(<[u8]>::to_vec).ok_or("ENOENT")
    }

    /// The names below a path, each with a NUL.
    pub(crate) fn directory(&mut self, path: &str) -> Result<Vec<u8>, &'static str> {
        self.read(path)?;
        let below = format!("{path}/");
        let names = self.tree.nodes.keys().filter_map(|at| at.strip_prefix(&below));
        Ok(names.filter(|name| !name.contains('/')).flat_map(|name| name.bytes().chain([0])).collect())
    }

    /// What a guest writes has a limit.
    pub(crate) fn write_limited(&mut self, path: &str, value: &[u8]) -> Result<(), &'static str> {
        if value.len() >= LARGEST_NODE {
            return Err("ENOSPC");
        }
        self.write(path, value);
        Ok(())
    }

    /// Writes a value; makes what is missing above it.
    pub(crate) fn write(&mut self, path: &str, value: &[u8]) {
        self.make_parents(path);
        self.touch(path);
        self.tree.put(path, value.to_vec());
        self.fired.push((path.to_string(), Reach::Above));
    }

    /// Removes a path and all below it. One that is not there is removed already, if there is something above it.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), &'static str> {
        self.touch(path);
        let parent = parent(path).ok_or("EINVAL")?.to_string();
        if self.tree.value(path).is_none() {
            self.touch(&parent);
            return self.tree.value(&parent).map(drop).ok_or("ENOENT");
        }
        let inside = format!("{path}/");
        let below: Vec<String> =
            self.tree.nodes.keys().filter(|at| at.starts_with(&inside)).cloned().collect();
        self.fired.push((path.to_string(), Reach::Above));
        for at in below {
            self.touch(&at);
            self.tree.nodes.remove(&at);
            self.fired.push((at, Reach::Exact));
        }
        self.tree.nodes.remove(path);
        self.change_children(&parent);
        Ok(())
    }

    fn touch(&mut self, path: &str) {
        let known = self.tree.change(path);
        self.touched.entry(path.to_string()).or_insert(known);
    }

    fn make_parents(&mut self, path: &str) {
        if self.tree.value(path).is_some() {
            return;
        }
        let Some(parent) = parent(path) else { return };
        match self.tree.value(parent) {
            Some(_) => self.change_children(parent),
            None => {
                self.make_parents(parent);
                self.touch(parent);
                self.tree.put(parent, Vec::new());
            }
        }
    }

    /// The list of children is a part of the node.
    fn change_children(&mut self, path: &str) {
        self.touch(path);
        let value = self.tree.value(path).map(<[u8]>::to_vec).unwrap_or_default();
        self.tree.put(path, value);
    }
}

/// The path above; none above the top.
fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}
