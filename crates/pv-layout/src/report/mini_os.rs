//! The dialect of Mini-OS, which is in PV-GRUB, in stub domains and in xenstore's own domain.
//!
//! ```text
//! Xen Minimal OS!                     later also `Xen Minimal OS (pv)!`
//!   start_info: 0xd1e000(VA)
//!     nr_pages: 0x7a000
//!      pt_base: 0xd21000(VA)
//! nr_pt_frames: 0xb
//!     mfn_list: 0x94e000(VA)
//!         _end: 0x94de40(VA)
//! ```
//!
//! Its page 0 is at address 0, so that an address is a page number times 4096; the rows follow each other as the
//! toolstack puts them. It loads no modules. Source: Mini-OS's `kernel.c`, `arch/x86/setup.c` and `mm.c`.

use super::{
    fact::{Event, Fact, Facts, Missing, nothing, one},
    keyword::{Hit, Word, Writer},
    layout_line::{Row, hex_numbers},
};
use crate::scene::PAGE;

const BY: Option<Writer> = Some(Writer::MiniOs);

pub(super) const WORDS: &[Word] = &[
    ("Xen Minimal OS", BY, |_| Ok(vec![Fact::Begin])),
    ("nr_pages: 0x", BY, |hit| one(number(hit).map(Fact::Pages), "expected a number")),
    ("start_info: 0x", BY, |hit| page(hit, "start info")),
    ("pt_base: 0x", BY, |hit| one(at(hit).map(Fact::TablesAt), "expected an address")),
    ("nr_pt_frames: 0x", BY, |hit| one(number(hit).map(Fact::TablePages), "expected a number")),
    ("mfn_list: 0x", BY, |hit| one(at(hit).map(Fact::ListAt), "expected an address")),
    (" _end: 0x", BY, kernel),
    ("ERROR!!! out of memory", BY, died),
    ("Page fault at linear address ", BY, died),
    ("GPF rip: ", BY, died),
];

/// The number after a word that ends in `0x`.
fn number(hit: &Hit<'_>) -> Option<u64> {
    hex_numbers(&format!("0x{}", hit.rest)).first().copied()
}

/// An address, if it is whole: `(VA)` follows.
fn at(hit: &Hit<'_>) -> Option<u64> {
    number(hit).filter(|at| at % PAGE == 0 && hit.rest.contains("(VA)"))
}

fn page(hit: &Hit<'_>, name: &str) -> Facts {
    let at = at(hit).ok_or(Missing("expected the address of a page"))?;
    Ok(vec![Fact::Row(name.to_owned(), row(at, 1)?)])
}

/// The image begins at address 0.
fn kernel(hit: &Hit<'_>) -> Facts {
    let end = number(hit).filter(|_| hit.rest.contains("(VA)"));
    let Some(end) = end.filter(|end| *end > 0 && *end < 1 << 40) else { return nothing() };
    Ok(vec![Fact::Row("kernel".to_owned(), row(0, end.div_ceil(PAGE))?)])
}

/// A row of pages at the address that their numbers give.
pub(super) fn row(start: u64, pages: u64) -> Result<Row, Missing> {
    let end = pages.checked_mul(PAGE).and_then(|bytes| start.checked_add(bytes));
    let end = end.ok_or(Missing("expected fewer pages"))?;
    Ok(Row { start, end, pfn: start / PAGE, pages })
}

fn died(hit: &Hit<'_>) -> Facts {
    Ok(vec![Fact::Event(Event::Died(format!("{}{}", hit.word, hit.rest)))])
}
