//! The dialect of `xl -vvv create`: libxenguest's domain builder.
//!
//! Old: `xc_dom_alloc_segment:   kernel : ...`, `nr_page_tables: ...` (until Xen 4.5). Today's: the same after
//! `domainbuilder: detail: `, `count_pgtables: ...`, a ramdisk called `module0`. Sources: Xen's `tools/libxc` up to
//! 4.13 and `tools/libs/guest` since, logs of 4.14, 4.17 and 4.20.

use super::{
    fact::{Fact, Facts, Missing, Width, one},
    keyword::{Hit, Word, Writer},
    layout_line::{self, LayoutLine, counted, hex_numbers},
};

const BY: Option<Writer> = Some(Writer::Toolstack);

pub(super) const WORDS: &[Word] = &[
    ("xc_dom_allocate: cmdline", BY, begin),
    ("xc_dom_build_image: called", BY, |_| Ok(vec![Fact::BeginRows])),
    ("xc_dom_alloc_segment", BY, row),
    ("xc_dom_alloc_page", BY, row),
    ("xc_dom_build_image", BY, row),
    ("nr_page_tables:", BY, tables),
    ("count_pgtables:", BY, tables),
    ("xc_dom_mem_init: mem ", BY, memory),
    ("xc_dom_boot_xen_init: ver ", BY, version),
    ("ELF: note: ", None, note),
    ("elf_xen_parse_note: ", None, note),
    ("xc_dom_parse_elf_kernel: xen-3.0-", BY, width),
    ("Parsing config from ", BY, begin),
    ("XendDomainInfo", BY, |_| Ok(vec![Fact::Tool("xend")])),
    ("_gnttab_entry: d", BY, domain),
];

fn begin(_: &Hit<'_>) -> Facts {
    Ok(vec![Fact::Begin])
}

fn row(hit: &Hit<'_>) -> Facts {
    let missing = Missing("expected NAME : 0x... -> 0x... (pfn 0x... + 0x... pages)");
    let text = hit.rest.trim_start().strip_prefix(':').ok_or(missing)?;
    match layout_line::parse(text).ok_or(missing)? {
        LayoutLine::Row(name, row) => Ok(vec![Fact::Row(name, row)]),
        LayoutLine::Mark(mark, address) => Ok(vec![Fact::Mark(mark, address)]),
    }
}

fn tables(hit: &Hit<'_>) -> Facts {
    one(counted(hit.rest).map(Fact::Tables), "expected MASK/BITS: 0x... -> 0x..., N table(s)")
}

/// `131072 MB, pages 0x2000000 pages, 4k each`
fn memory(hit: &Hit<'_>) -> Facts {
    let complete = hit.rest.contains(" pages,");
    let pages = hex_numbers(hit.rest).first().copied().filter(|_| complete);
    one(pages.map(Fact::Pages), "expected N MB, pages 0x... pages, 4k each")
}

/// `4.17, caps ...`
fn version(hit: &Hit<'_>) -> Facts {
    one(hit.rest.split_once(',').map(|(version, _)| Fact::Version(version.to_owned())), "expected a version")
}

/// `INIT_P2M = 0x8000000000`, after a word that changed with Xen 4.8. A debugging Xen lists the initial domain's
/// notes in the same words, so they belong to the builder at work.
fn note(hit: &Hit<'_>) -> Facts {
    let Some((name, value)) = hit.rest.split_once('=') else { return Ok(vec![Fact::NotesListed]) };
    Ok(match (name.trim(), hex_numbers(value).first()) {
        ("INIT_P2M", Some(address)) => vec![Fact::NotesListed, Fact::InitP2m(*address)],
        ("MOD_START_PFN", Some(1..)) => vec![Fact::NotesListed, Fact::ModStartPfn],
        _ => vec![Fact::NotesListed],
    })
}

/// `x86_32p: 0xc0100000 -> 0xc0480000`
fn width(hit: &Hit<'_>) -> Facts {
    let width = if hit.rest.starts_with("x86_32") { Width::Bits32 } else { Width::Bits64 };
    Ok(vec![Fact::Width(width)])
}

/// `5 gnt[0] -> d0 0x5cec1`
fn domain(hit: &Hit<'_>) -> Facts {
    let number = hit.rest.split(' ').next().and_then(|number| number.parse().ok());
    Ok(number.map(Fact::Domain).into_iter().collect())
}
