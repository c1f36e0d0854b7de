//! Page tables being added: made in plain memory, hooked by one batch.
//!
//! A table is ordinary memory until it is hooked into a tree. So a new one is filled with plain stores, loses its
//! writable mapping, and is hooked by one write to its parent: Xen checks its 512 entries once, instead of one
//! hypercall element each.
//!
//! Neighbours: `tables` is what grows; `direct_map`, `image`, `vmalloc` and `p2m::baseline` add to it.

use alloc::vec::Vec;

use crate::commit::Batch;
use crate::error::MmError;
use crate::frames::{Frames, Run, Zone};
use crate::tables::{Table, Tables, confirm};
use xen::addr::{ENTRIES, VirtAddr};
use xen::pte::{Level, Pte, Reach};
use xen::{Hypervisor, Words};

/// A table that [`Growth::table`] found or made.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// It is hooked: it is changed through the batch.
    Hooked(Table),
    /// It is being made: it is filled with plain stores.
    Fresh(Table),
}

/// Tables being added: collected here, hooked by one batch.
#[derive(Debug)]
pub struct Growth<'t> {
    tables: &'t mut Tables,
    /// Writes collected so far; callers add the leaf entries of hooked tables.
    pub batch: Batch,
    fresh: Vec<(VirtAddr, Table, Run)>,
    /// The 2 MiB that were looked up last, and their table.
    last_l1: Option<(u64, Place)>,
}

impl<'t> Growth<'t> {
    /// Starts with nothing to add.
    pub fn new(tables: &'t mut Tables) -> Self {
        Self { tables, batch: Batch::new(), fresh: Vec::new(), last_l1: None }
    }

    /// Makes room for exactly `tables` more tables, for the two changes that each takes, to become read-only and to be
    /// hooked, and for `changes` other changes. For growth whose extent depends on the domain's size.
    pub fn reserve(&mut self, tables: usize, changes: usize) {
        self.fresh.reserve_exact(tables);
        self.batch.reserve(2 * tables + changes);
    }

    /// Returns the tables without the additions.
    #[must_use]
    pub const fn tables(&self) -> &Tables {
        self.tables
    }

    /// Finds the L1 table that covers `at`, as [`Growth::table`] does; addresses in ascending order share one search
    /// for each 2 MiB.
    ///
    /// # Errors
    /// As for [`Growth::table`].
    pub fn l1<X: Hypervisor>(
        &mut self,
        xen: &mut X,
        frames: &mut Frames,
        at: VirtAddr,
        reach: Reach,
    ) -> Result<Place, MmError> {
        let slot = at.as_u64() / Level::L2.span();
        if let Some((_, place)) = self.last_l1.filter(|(last, _)| *last == slot) {
            return Ok(place);
        }
        let place = self.table(xen, frames, at, Level::L1, reach)?;
        self.last_l1 = Some((slot, place));
        Ok(place)
    }

    /// Finds the table of `level` that covers `at`, making it and those above it where there is none.
    ///
    /// `reach` applies to the entries made on the way.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out or an existing table is not one of the domain's.
    pub fn table<X: Hypervisor>(
        &mut self,
        xen: &mut X,
        frames: &mut Frames,
        at: VirtAddr,
        level: Level,
        reach: Reach,
    ) -> Result<Place, MmError> {
        if let Some(table) = self.tables.find(xen, at, level)? {
            return Ok(Place::Hooked(table));
        }
        if let Some(table) = self.pending(at, level) {
            return Ok(Place::Fresh(table));
        }
        let parent = match self.table(xen, frames, at, level.above(), reach)? {
            Place::Hooked(table) | Place::Fresh(table) => table,
        };
        let table = self.make(xen, frames, at, level)?;
        self.batch.change(parent.slot(at), Pte::ABSENT, Pte::table(table.mfn, reach));
        Ok(Place::Fresh(table))
    }

    /// Makes an unhooked table of `level` for the addresses around `at`: zeroed, and read-only once committed.
    ///
    /// # Errors
    /// [`MmError`] if memory runs out.
    pub fn make<X: Hypervisor>(
        &mut self,
        xen: &mut X,
        frames: &mut Frames,
        at: VirtAddr,
        level: Level,
    ) -> Result<Table, MmError> {
        let run = frames.take(Zone::Mapped(self.tables.window()), 1)?;
        let (slot, entry) = self.tables.shown(xen, run.first())?;
        confirm(xen, run.first(), entry.mfn())?;
        self.tables.window().page_mut(xen, &run, 0).fill(0);
        self.batch.change(slot, entry, entry.read_only());
        let table = Table { pfn: run.first(), mfn: entry.mfn(), level };
        self.fresh.push((at, table, run));
        Ok(table)
    }

    /// Adds the change after which the page of an old table is ordinary memory; must follow the one that unhooks it.
    ///
    /// # Errors
    /// As for [`Tables::find`].
    pub(crate) fn retire<X: Hypervisor>(&mut self, xen: &X, old: Table) -> Result<(), MmError> {
        self.tables.release_alias(xen, &mut self.batch, old.pfn)
    }

    fn pending(&self, at: VirtAddr, level: Level) -> Option<Table> {
        let reach = level.span() * ENTRIES;
        let same = |other: VirtAddr| other.as_u64() / reach == at.as_u64() / reach;
        self.fresh
            .iter()
            .map(|(at, table, _)| (*at, *table))
            .find(|(at, table)| table.level == level && same(*at))
            .map(|(_, table)| table)
    }

    /// Stores an entry in a table that is being made.
    ///
    /// # Errors
    /// [`MmError::NotMapped`] if `table` is not being made here.
    pub fn store<X: Hypervisor>(
        &self,
        xen: &mut X,
        table: Table,
        index: usize,
        entry: Pte,
    ) -> Result<(), MmError> {
        self.words(xen, table)?[index] = entry.word();
        Ok(())
    }

    /// Stores all entries of a table that is being made.
    ///
    /// # Errors
    /// As for [`Growth::store`].
    pub fn store_all<X: Hypervisor>(&self, xen: &mut X, table: Table, words: &Words) -> Result<(), MmError> {
        *self.words(xen, table)? = *words;
        Ok(())
    }

    /// Borrows a table that is being made, to store its entries.
    ///
    /// # Errors
    /// As for [`Growth::store`].
    pub fn words<'x, X: Hypervisor>(&self, xen: &'x mut X, table: Table) -> Result<&'x mut Words, MmError> {
        let missing = MmError::NotMapped { at: self.tables.window().address(table.pfn) };
        let (_, _, run) = self.fresh.iter().rev().find(|(_, fresh, _)| *fresh == table).ok_or(missing)?;
        Ok(self.tables.window().page_mut(xen, run, 0))
    }

    /// Hooks everything in one hypercall; or nothing, if filling the tables failed (`filled`).
    ///
    /// # Errors
    /// [`MmError`] naming the entry that Xen refused, or the error in `filled`; the tables' pages are free again then.
    pub fn commit<X: Hypervisor>(
        self,
        filled: Result<(), MmError>,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let Self { tables, batch, fresh, .. } = self;
        let done = filled.and_then(|()| Ok(batch.commit(xen)?));
        let l1_tables = fresh.iter().filter(|(_, table, _)| table.level == Level::L1).count();
        let runs = fresh.into_iter().map(|(_, _, run)| run);
        match done {
            Ok(()) => tables.own(runs, l1_tables as u64),
            Err(error) => tables.release(runs, error, frames)?,
        }
        done
    }
}
