//! The page tables in use, read word by word without trusting any of them.
//!
//! For callers that cannot rely on what the boot knows about them: a dying guest's report, a module's request, and the
//! entry, which believes no frame number before the tables confirm it. Neighbours: `live` knows the root, `probe`
//! reads.

use crate::Lookup;
use crate::addr::{Mfn, Pfn, VirtAddr};
use crate::area;
use crate::pte::{Level, Pte};

use super::live::Live;
use super::probe;

/// An entry of a table, or the table that cannot be read.
pub type Found = Result<u64, Pfn>;

/// Emits the entries for an address, from L4 down to the first that leads nowhere.
pub fn walk(at: VirtAddr, mut see: impl FnMut(Level, Found)) {
    let Some((mut table, _)) = Live::root() else { return };
    for level in [Level::L4, Level::L3, Level::L2, Level::L1] {
        let word = word(table, level.index(at) as u64);
        see(level, word.ok_or(table));
        let entry = word.map(Pte::from_word).filter(|entry| entry.is_present() && !entry.is_large());
        match entry.and_then(|entry| Live::view().m2p(entry.mfn())) {
            // The tables in use belong to this domain; Xen would not use others.
            Some(next) => table = next.confirmed_before(),
            None => return,
        }
    }
}

/// Returns the frame that an address leads to.
pub fn frame_at(at: VirtAddr) -> Option<Mfn> {
    let mut frame = None;
    walk(at, |level, found| {
        let entry = found.ok().map(Pte::from_word).filter(|entry| entry.is_present());
        frame = entry.filter(|_| level == Level::L1).map(|entry| entry.mfn());
    });
    frame
}

/// Reads a word of a page of the domain, where the mapping of page tables shows it.
pub fn word(pfn: Pfn, index: u64) -> Option<u64> {
    let (_, base) = Live::root()?;
    probe::read(VirtAddr::new_truncate(area::linear(base, pfn).as_u64() + index * 8)).ok()
}
