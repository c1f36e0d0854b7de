//! Puts function names into a linked image, so that its call traces can be read without it.
//!
//! The linker script reserves room between `_ksyms` and `_ksyms_end`; the ELF symbol table itself is not loaded by a
//! domain builder. The names are demangled and written there, sorted by address, in the form that the image's
//! `xen::rt::symbols` describes and reads. Part of building the image (`make`), before anything boots it.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};
use pv_layout::input;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

const MAGIC: &[u8] = b"KSYMS1\0\0";
/// Names are cut here: generic functions can have very long ones.
const LONGEST: usize = 120;

/// Put function names for call traces into an image.
#[derive(Debug, Args)]
pub(crate) struct EmbedArgs {
    /// The linked image
    input: PathBuf,
    /// Where to write the image with names
    output: PathBuf,
}

struct Function {
    start: u32,
    size: u32,
    name: String,
}

/// Runs the verb.
pub(crate) fn embed(args: &EmbedArgs) -> Result<()> {
    let input = args.input.display();
    let mut bytes = input::file(&args.input, input::PROGRAM)?;
    embed_into(&mut bytes).with_context(|| format!("image {input}"))?;
    fs::write(&args.output, bytes).with_context(|| format!("cannot write {}", args.output.display()))
}

/// Puts the names into the image in `bytes`; returns where they are.
pub fn embed_into(bytes: &mut [u8]) -> Result<Range<usize>> {
    let (table, room) = plan(bytes)?;
    ensure!(
        table.len() <= room.len(),
        "{} bytes of names do not fit the {} between _ksyms and _ksyms_end: raise KSYMS_BYTES in linker.ld",
        table.len(),
        room.len()
    );
    let place = room.start..room.start + table.len();
    bytes[place.clone()].copy_from_slice(&table);
    Ok(place)
}

/// Returns the table and where in the file there is room for it.
fn plan(bytes: &[u8]) -> Result<(Vec<u8>, Range<usize>)> {
    let file = object::File::parse(bytes).context("expected an ELF file")?;
    let image = address(&file, "_image_start")?;
    let (start, end) = (address(&file, "_ksyms")?, address(&file, "_ksyms_end")?);
    let offset = file_offset(&file, start).context("_ksyms lies in no segment")?;
    let length = end.checked_sub(start).context("_ksyms_end lies below _ksyms")?;
    let room_end = offset.checked_add(usize::try_from(length)?).filter(|end| *end <= bytes.len());
    let room = offset..room_end.context("_ksyms lies after the file's end")?;
    Ok((table(&functions(&file, image))?, room))
}

fn address(file: &object::File<'_>, name: &str) -> Result<u64> {
    match file.symbol_by_name(name) {
        Some(symbol) => Ok(symbol.address()),
        None => bail!("cannot find symbol {name}: expected an image linked by linker.ld, not stripped"),
    }
}

fn file_offset(file: &object::File<'_>, address: u64) -> Option<usize> {
    file.segments().find_map(|segment| {
        let within = address.checked_sub(segment.address())?;
        let (offset, size) = segment.file_range();
        let at = offset.checked_add(within).filter(|_| within < size)?;
        usize::try_from(at).ok()
    })
}

/// Functions by address; assembly labels have no size and reach to the next symbol.
fn functions(file: &object::File<'_>, image: u64) -> Vec<Function> {
    let mut found: Vec<Function> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| {
            let start = u32::try_from(symbol.address().checked_sub(image)?).ok()?;
            Some(Function {
                start,
                size: u32::try_from(symbol.size()).ok()?,
                name: readable(symbol.name().ok()?),
            })
        })
        .collect();
    found.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
    found.dedup_by_key(|function| function.start);
    found
}

/// Demangles, and leaves out what a reader of a trace does not need: the hash, and generic arguments.
fn readable(name: &str) -> String {
    let full = format!("{:#}", rustc_demangle::demangle(name));
    let mut depth = 0_usize;
    let mut short = String::new();
    for (at, character) in full.char_indices() {
        match character {
            '<' if at > 0 && full[..at].ends_with("::") => depth += 1,
            '<' if depth > 0 => depth += 1,
            '>' if depth > 0 => depth -= 1,
            _ if depth == 0 => short.push(character),
            _ => {}
        }
    }
    let short = short.replace("::::", "::");
    let cut = short.char_indices().nth(LONGEST).map_or(short.len(), |(at, _)| at);
    short[..cut].trim_end_matches(':').to_owned()
}

fn table(functions: &[Function]) -> Result<Vec<u8>> {
    let names_at = 16 + 16 * functions.len();
    let mut table = MAGIC.to_vec();
    table.extend(u32::try_from(functions.len())?.to_le_bytes());
    table.extend(u32::try_from(names_at)?.to_le_bytes());
    let mut names: Vec<u8> = Vec::new();
    for function in functions {
        table.extend(function.start.to_le_bytes());
        table.extend(function.size.to_le_bytes());
        table.extend(u32::try_from(names.len())?.to_le_bytes());
        table.extend(u32::try_from(function.name.len())?.to_le_bytes());
        names.extend_from_slice(function.name.as_bytes());
    }
    table.extend(names);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generic_function_keeps_its_path_and_loses_its_arguments() {
        assert_eq!(readable("revector::mm::vmalloc::map::<Live, Moved>"), "revector::mm::vmalloc::map");
        assert_eq!(readable("<A as B>::f"), "<A as B>::f");
        assert_eq!(readable("memcpy"), "memcpy");
    }

    #[test]
    fn the_table_starts_with_magic_count_and_the_place_of_the_names() {
        let one = [Function { start: 16, size: 4, name: "f".into() }];
        let table = table(&one).unwrap();
        assert_eq!(&table[..8], MAGIC);
        assert_eq!(table[8..16], [1, 0, 0, 0, 32, 0, 0, 0]);
        assert_eq!(table.len(), 33);
    }
}
