//! How many tables a mapping takes: the same arithmetic for the initial mapping and for a list's own.
//!
//! Neighbours: `rows` and `physmap` make room for them, `tables` fills them.

use xen::addr::ENTRIES;

/// Tables of levels 1 to 3 below one L4 slot that map `pages` pages from an aligned address on.
pub(super) const fn tables_for(pages: u64) -> [u64; 3] {
    let l1 = pages.div_ceil(ENTRIES);
    [l1, l1.div_ceil(ENTRIES), l1.div_ceil(ENTRIES * ENTRIES)]
}
