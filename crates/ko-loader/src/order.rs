//! In which order modules load: each after those that it needs, in the archive's order otherwise.
//!
//! A module needs another one if `.modinfo` says so, or if it uses a symbol that the other exports. A cycle has no
//! such order: it begins with its first module in the archive, and the loader then names the symbols that are missing.
//! Objects that cannot be read stay in the list: the loader says why.
//!
//! An archive may hold a distribution's thousands of modules and the heap is small: objects are read twice, once for
//! what they offer, once for what they use, and only the offers are kept meanwhile.
//!
//! Neighbours: `source` finds the objects, `load` takes them in this order. Lineage: depmod and modprobe.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::modinfo::{ModInfo, Name};
use crate::source::Source;
use crate::{Image, Object};

/// A name that was asked for and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound(pub String);

/// Sorts `found`; with names in `wanted`, keeps only those and what they need.
///
/// # Errors
/// [`NotFound`] for a name that is not there.
pub fn order<'a>(found: &[Source<'a>], wanted: &[String]) -> Result<Vec<Source<'a>>, NotFound> {
    let known = Known::read(found);
    let before: Vec<Vec<usize>> =
        found.iter().enumerate().map(|(at, source)| known.needs(at, source)).collect();
    let chosen = chosen(&known, &before, wanted)?;
    Ok(sort(chosen, &before).into_iter().map(|module| found[module]).collect())
}

/// Which module has a name, and which one exports a symbol: of several the first counts.
#[derive(Debug, Default)]
struct Known<'a> {
    modules: usize,
    names: BTreeMap<Name<'a>, usize>,
    offers: BTreeMap<&'a str, usize>,
}

impl<'a> Known<'a> {
    fn read(found: &[Source<'a>]) -> Self {
        let mut known = Self { modules: found.len(), ..Self::default() };
        for (module, source) in found.iter().enumerate() {
            known.names.entry(Name(source.name)).or_insert(module);
            let Ok(object) = Object::parse(source.object) else { continue };
            if let Some(own) = ModInfo::of(&object).name {
                known.names.entry(Name(own)).or_insert(module);
            }
            let Ok(image) = Image::plan(object) else { continue };
            for offer in image.offers() {
                known.offers.entry(offer.name).or_insert(module);
            }
        }
        known
    }

    /// The modules that must be there before this one.
    fn needs(&self, module: usize, source: &Source<'_>) -> Vec<usize> {
        let Ok(object) = Object::parse(source.object) else { return Vec::new() };
        let depends = ModInfo::of(&object).depends;
        let mut needs = set(depends.iter().filter_map(|name| self.names.get(&Name(name)).copied()));
        if let Ok(image) = Image::plan(object) {
            needs.extend(image.undefined().filter_map(|symbol| self.offers.get(symbol).copied()));
        }
        needs.remove(&module);
        needs.into_iter().collect()
    }
}

/// The modules asked for and all that they need; all, if none is asked for.
fn chosen(known: &Known<'_>, before: &[Vec<usize>], wanted: &[String]) -> Result<BTreeSet<usize>, NotFound> {
    if wanted.is_empty() {
        return Ok(set(0..known.modules));
    }
    let mut next = Vec::new();
    for name in wanted {
        let at = known.names.get(&Name(name)).copied();
        next.push(at.ok_or_else(|| NotFound(name.clone()))?);
    }
    let mut keep = BTreeSet::new();
    while let Some(module) = next.pop() {
        if keep.insert(module) {
            next.extend(&before[module]);
        }
    }
    Ok(keep)
}

/// Makes a set by inserting: collecting one sorts first, by 4 KiB of code that an image has no other use for.
fn set(modules: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let mut set = BTreeSet::new();
    set.extend(modules);
    set
}

/// Takes the first module that waits for none, again and again; the first of all where every one waits.
fn sort(mut left: BTreeSet<usize>, before: &[Vec<usize>]) -> Vec<usize> {
    let mut waits = vec![0_usize; before.len()];
    let mut after = vec![Vec::new(); before.len()];
    for &module in &left {
        for &other in before[module].iter().filter(|other| left.contains(other)) {
            waits[module] += 1;
            after[other].push(module);
        }
    }
    let mut free = set(left.iter().copied().filter(|module| waits[*module] == 0));
    let mut sorted = Vec::with_capacity(left.len());
    while let Some(next) = free.pop_first().or_else(|| left.first().copied()) {
        left.remove(&next);
        sorted.push(next);
        for &module in &after[next] {
            waits[module] -= 1;
            if waits[module] == 0 && left.contains(&module) {
                free.insert(module);
            }
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is meant, said in the plainest way.
    fn plainly(mut left: Vec<usize>, before: &[Vec<usize>]) -> Vec<usize> {
        let mut sorted = Vec::new();
        while let Some(first) = left.first().copied() {
            let waits_for_none = |module: &&usize| before[**module].iter().all(|other| !left.contains(other));
            let next = left.iter().find(waits_for_none).copied().unwrap_or(first);
            left.retain(|module| *module != next);
            sorted.push(next);
        }
        sorted
    }

    proptest! {
        #[test]
        fn the_order_is_what_looking_for_the_first_free_one_again_and_again_gives(
            edges in proptest::collection::btree_set((0_usize..12, 0_usize..12), 0..40),
            skipped in proptest::collection::btree_set(0_usize..12, 0..4),
        ) {
            let mut before = vec![Vec::new(); 12];
            for (module, other) in edges.into_iter().filter(|(module, other)| module != other) {
                before[module].push(other);
            }
            let left: BTreeSet<usize> = (0..12).filter(|module| !skipped.contains(module)).collect();
            prop_assert_eq!(sort(left.clone(), &before), plainly(left.into_iter().collect(), &before));
        }
    }

    #[test]
    fn thousands_of_modules_that_wait_for_each_other_are_sorted_in_no_time() {
        let before: Vec<Vec<usize>> = (0..20_000).map(|module: usize| vec![(module + 1) % 20_000]).collect();
        let sorted = sort((0..20_000).collect(), &before);
        assert_eq!((sorted[0], sorted[1], sorted[19_999]), (0, 19_999, 1));
    }
}
