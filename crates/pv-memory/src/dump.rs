//! Page tables as text, in the form of Linux's `kernel_page_tables` file: equal neighbours merged, holes left out.
//!
//! Kernel developers read this form at a glance, and a dump from before compared with one from after shows what a boot
//! did to its tables. Neighbours: `walk` dumps the builder's tables, `boot` the final ones.
//!
//! Sources: Linux arch/x86/mm/dump_pagetables.c (columns, facts only).

use core::fmt;

use crate::error::MmError;
use crate::tables::{Table, Tables, below};
use xen::Hypervisor;
use xen::addr::{VirtAddr, VirtRange};
use xen::pte::{Level, Pte};

/// Rights of a mapping, combined over all levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    writable: bool,
    executable: bool,
}

impl Rights {
    /// Returns what an L1 entry allows where the levels above it allow `self`.
    #[must_use]
    pub const fn and(self, entry: Pte) -> Self {
        Self {
            writable: self.writable && entry.is_writable(),
            executable: self.executable && entry.is_executable(),
        }
    }

    /// Everything: where a walk starts.
    pub const ALL: Self = Self { writable: true, executable: true };

    /// Tells whether code there could be changed and run.
    #[must_use]
    pub const fn is_writable_and_executable(self) -> bool {
        self.writable && self.executable
    }
}

/// A run of pages with equal rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Addresses.
    pub range: VirtRange,
    /// What they allow.
    pub rights: Rights,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, unit) = human(self.range.bytes);
        write!(
            f,
            "{:#018x}-{:#018x} {size:>8}{unit} {} {} pte",
            self.range.start.as_u64(),
            self.range.end_raw(),
            if self.rights.writable { "RW" } else { "ro" },
            if self.rights.executable { "x " } else { "NX" },
        )
    }
}

const fn human(bytes: u64) -> (u64, char) {
    if bytes.is_multiple_of(1 << 30) {
        (bytes >> 30, 'G')
    } else if bytes.is_multiple_of(1 << 20) {
        (bytes >> 20, 'M')
    } else {
        (bytes >> 10, 'K')
    }
}

/// Merges pages, given lowest first, into [`Line`]s.
#[derive(Debug)]
pub struct Merger<F: FnMut(Line)> {
    open: Option<Line>,
    emit: F,
}

impl<F: FnMut(Line)> Merger<F> {
    /// Starts with no page; finished lines go to `emit`.
    pub const fn new(emit: F) -> Self {
        Self { open: None, emit }
    }

    /// Adds `bytes` bytes at `at`.
    pub fn add(&mut self, at: VirtAddr, bytes: u64, rights: Rights) {
        match &mut self.open {
            Some(line) if line.rights == rights && line.range.end_raw() == at.as_u64() => {
                line.range.bytes += bytes
            }
            open => {
                let line = Line { range: VirtRange::new(at, bytes), rights };
                if let Some(done) = open.replace(line) {
                    (self.emit)(done);
                }
            }
        }
    }

    /// Emits the last line.
    pub fn finish(mut self) {
        if let Some(line) = self.open.take() {
            (self.emit)(line);
        }
    }
}

/// Emits the mappings within `range` as lines.
///
/// # Errors
/// [`MmError`] if a table cannot be read.
pub fn dump<X: Hypervisor>(
    tables: &Tables,
    xen: &X,
    range: VirtRange,
    emit: impl FnMut(Line),
) -> Result<(), MmError> {
    let mut merger = Merger::new(emit);
    add_table(&mut merger, tables, xen, tables.root(), range, Rights::ALL)?;
    merger.finish();
    Ok(())
}

/// Adds what a table and those below it map within `range`.
fn add_table<X: Hypervisor, F: FnMut(Line)>(
    merger: &mut Merger<F>,
    tables: &Tables,
    xen: &X,
    table: Table,
    range: VirtRange,
    above: Rights,
) -> Result<(), MmError> {
    let span = table.level.span();
    for (at, entry) in tables.entries(xen, table, range).filter(|(_, entry)| entry.is_present()) {
        let rights = above.and(entry);
        if table.level == Level::L1 {
            merger.add(at, span, rights);
            continue;
        }
        let first = at.as_u64().max(range.start.as_u64());
        let last = (at.as_u64() + (span - 1)).min(range.end_raw() - 1);
        let part = VirtRange::new(VirtAddr::new_truncate(first), last - first + 1);
        add_table(merger, tables, xen, below(xen, table, at, entry)?, part, rights)?;
    }
    Ok(())
}
