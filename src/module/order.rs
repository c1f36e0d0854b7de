//! In which order modules load: each after those that it needs, in the archive's order otherwise.
//!
//! A module needs another one if `.modinfo` says so, or if it wants a symbol that the other offers. A circle cannot
//! be satisfied; it is entered where the archive does, and the loader names the symbols that are missing then.
//! Objects that cannot be read stay in the list: the loader says why.
//!
//! Neighbours: `source` finds the objects, `load` takes them in this order. Lineage: depmod and modprobe.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::modinfo::{ModInfo, same_name};
use super::source::Source;
use super::{Image, Object};
use crate::error::BootError;

/// What a module wants and offers.
#[derive(Debug, Default)]
struct Needs<'a> {
    name: Option<&'a str>,
    depends: Vec<&'a str>,
    wants: Vec<&'a str>,
    offers: Vec<&'a str>,
}

/// Sorts `found`; with names in `wanted`, keeps only those and what they need.
///
/// # Errors
/// [`BootError::NoSuchModule`] for a name that is not there.
pub fn order<'a>(found: &[Source<'a>], wanted: &[String]) -> Result<Vec<Source<'a>>, BootError> {
    let needs: Vec<Needs<'a>> = found.iter().map(read).collect();
    let before = edges(found, &needs);
    let mut left = chosen(found, &needs, &before, wanted)?;
    let mut sorted = Vec::new();
    while let Some(first) = left.first().copied() {
        let free = |module: &&usize| before[**module].iter().all(|other| !left.contains(other));
        let next = left.iter().find(free).copied().unwrap_or(first);
        left.retain(|module| *module != next);
        sorted.push(found[next]);
    }
    Ok(sorted)
}

fn read<'a>(source: &Source<'a>) -> Needs<'a> {
    let Ok(object) = Object::parse(source.object) else { return Needs::default() };
    let ModInfo { name, depends, .. } = ModInfo::of(&object);
    let Ok(image) = Image::plan(object) else { return Needs { name, ..Needs::default() } };
    let wants = image.undefined().collect();
    let offers = image.offers().map(|offer| offer.name).collect();
    Needs { name, depends, wants, offers }
}

fn is_called(source: &Source<'_>, needs: &Needs<'_>, name: &str) -> bool {
    same_name(source.name, name) || needs.name.is_some_and(|own| same_name(own, name))
}

/// For each module, those that must be there before it. The first one that offers a symbol is the one that counts.
fn edges(found: &[Source<'_>], needs: &[Needs<'_>]) -> Vec<Vec<usize>> {
    let mut offered = BTreeMap::new();
    for (module, needs) in needs.iter().enumerate() {
        needs.offers.iter().for_each(|name| {
            offered.entry(*name).or_insert(module);
        });
    }
    let mut before = vec![Vec::new(); found.len()];
    for (module, own) in needs.iter().enumerate() {
        let by_symbol = own.wants.iter().filter_map(|name| offered.get(name).copied());
        let by_name = own.depends.iter().filter_map(|name| position(found, needs, name));
        before[module] = by_symbol.chain(by_name).filter(|other| *other != module).collect();
        before[module].sort_unstable();
        before[module].dedup();
    }
    before
}

fn position(found: &[Source<'_>], needs: &[Needs<'_>], name: &str) -> Option<usize> {
    found.iter().zip(needs).position(|(source, needs)| is_called(source, needs, name))
}

/// The modules asked for and all that they need, in the archive's order; all, if none is asked for.
fn chosen(
    found: &[Source<'_>],
    needs: &[Needs<'_>],
    before: &[Vec<usize>],
    wanted: &[String],
) -> Result<Vec<usize>, BootError> {
    if wanted.is_empty() {
        return Ok((0..found.len()).collect());
    }
    let mut keep = Vec::new();
    for name in wanted {
        let at = position(found, needs, name);
        keep.push(at.ok_or_else(|| BootError::NoSuchModule(name.clone()))?);
    }
    let mut next = 0;
    while let Some(module) = keep.get(next).copied() {
        let more: Vec<usize> = before[module].iter().copied().filter(|other| !keep.contains(other)).collect();
        keep.extend(more);
        next += 1;
    }
    keep.sort_unstable();
    keep.dedup();
    Ok(keep)
}
