//! Free pages before and after a piece of work: whatever it took it must give back, except page tables.
//!
//! Neighbours: `trial` and `module::driver` check themselves with it.

use crate::error::BootError;
use pv_memory::memory::Memory;

/// Free pages and page tables at one moment; pages found to have no frame count as if they were still free.
pub(crate) struct Balance {
    free: u64,
    tables: u64,
}

impl Balance {
    pub(crate) fn read(memory: &Memory<'_>) -> Self {
        let free = memory.frames.free_pages() + memory.frames.discarded_pages();
        Self { free, tables: memory.tables.added() as u64 }
    }

    /// Checks that every page that was free before is free now, or is a page table.
    pub(crate) fn check(&self, memory: &Memory<'_>) -> Result<(), BootError> {
        let now = Self::read(memory);
        let (expected, found) = (self.free - (now.tables - self.tables), now.free);
        if expected == found { Ok(()) } else { Err(BootError::Leak { expected, found }) }
    }
}
