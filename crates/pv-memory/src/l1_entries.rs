//! L1 entries of many addresses, a table at a time.
//!
//! An entry holds a machine frame, so that each step of a walk down the four levels asks M2P which page the next table
//! is. Adjacent addresses share every step but the last. Neighbours: `vmalloc` and `cleanup` read and clear whole ranges
//! this way.

use crate::commit::Slot;
use crate::error::MmError;
use crate::tables::{Table, Tables};
use crate::window::ShownPage;
use xen::Hypervisor;
use xen::addr::VirtAddr;
use xen::pte::{Level, Pte};

/// Finds the L1 entries of addresses in ascending order, in tables that stay hooked meanwhile.
pub(crate) struct L1Entries<'t> {
    tables: &'t Tables,
    /// Which 2 MiB were looked up last, and the table for them, if there is one.
    last: Option<(u64, Option<(Table, ShownPage<'t>)>)>,
}

impl<'t> L1Entries<'t> {
    pub(crate) const fn new(tables: &'t Tables) -> Self {
        Self { tables, last: None }
    }

    /// Returns the entry that maps `at`, and where it is; `None` if there is no table for it.
    ///
    /// # Errors
    /// As for [`Tables::find`].
    pub(crate) fn get<X: Hypervisor>(
        &mut self,
        xen: &X,
        at: VirtAddr,
    ) -> Result<Option<(Slot, Pte)>, MmError> {
        let entry = |(table, page): (Table, ShownPage<'_>)| {
            let slot = table.slot(at);
            (slot, Pte::from_word(page.word(xen, slot.index)))
        };
        Ok(self.table(xen, at)?.map(entry))
    }

    fn table<X: Hypervisor>(
        &mut self,
        xen: &X,
        at: VirtAddr,
    ) -> Result<Option<(Table, ShownPage<'t>)>, MmError> {
        let place = at.as_u64() / Level::L2.span();
        if let Some((_, table)) = self.last.filter(|(last, _)| *last == place) {
            return Ok(table);
        }
        let table = self.tables.find(xen, at, Level::L1)?;
        let table = table.map(|table| (table, self.tables.window().shown_page(table.pfn)));
        self.last = Some((place, table));
        Ok(table)
    }
}
