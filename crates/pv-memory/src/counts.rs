//! How many page tables there are of each level, as builders log them.
//!
//! Neighbours: `walk` counts the tables of the initial mapping, `builder_list` those of a list with its own.

use core::fmt;

use xen::pte::Level;

/// Tables per level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// L4 to L1.
    pub tables: [u64; 4],
}

impl Counts {
    pub(crate) const fn add(&mut self, level: Level) {
        self.tables[match level {
            Level::L4 => 0,
            Level::L3 => 1,
            Level::L2 => 2,
            Level::L1 => 3,
        }] += 1;
    }

    /// Returns the number of tables of all levels.
    #[must_use]
    pub fn total(self) -> u64 {
        self.tables.iter().sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [l4, l3, l2, l1] = self.tables;
        write!(f, "L4 {l4}, L3 {l3}, L2 {l2}, L1 {l1}")
    }
}
