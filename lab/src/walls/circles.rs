//! Circles of imports: groups of files each of which reaches every other.
//!
//! A group with more than one file in it is a circle: none of them can be read, tested or moved without the rest.

use super::names::Import;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The shortest circle through each group, as the imports that make it.
pub(crate) fn circles(imports: &[Import]) -> Vec<Vec<&Import>> {
    let mut from: BTreeMap<&Path, Vec<&Import>> = BTreeMap::new();
    for import in imports {
        from.entry(&import.from).or_default().push(import);
    }
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut found = Vec::new();
    for start in from.keys() {
        if seen.contains(*start) {
            continue;
        }
        if let Some(circle) = shortest(start, &from) {
            seen.extend(circle.iter().map(|import| import.from.clone()));
            found.push(circle);
        }
    }
    found
}

/// The shortest way from a file back to itself.
fn shortest<'a>(start: &Path, from: &BTreeMap<&Path, Vec<&'a Import>>) -> Option<Vec<&'a Import>> {
    let mut ways: Vec<Vec<&Import>> = vec![Vec::new()];
    let mut reached: BTreeSet<&Path> = BTreeSet::new();
    let mut next = 0;
    while let Some(way) = ways.get(next).cloned() {
        next += 1;
        let at = way.last().map_or(start, |import| import.to.as_path());
        for import in from.get(at).into_iter().flatten().copied() {
            let longer = [way.as_slice(), &[import]].concat();
            if import.to == start {
                return Some(longer);
            }
            if reached.insert(&import.to) {
                ways.push(longer);
            }
        }
    }
    None
}
