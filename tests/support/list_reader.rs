//! The toolstack's reader of a published list, written from what `xl save` checks, not from how the boot builds it.
//!
//! Facts from tools/libs/guest/xg_sr_save_x86_pv.c, `map_p2m_list`, the same from Xen 4.14 to 4.20: one walk of the
//! domain's page tables, level by level, of which no entry on the way may lead to no frame. At level 2 the reader looks
//! where the last entries that differ are, and shortens the list to what it has seen by then; it counts entries from the
//! first one that it looked at, but compares the count with an index in the table. So a list that does not start in the
//! first entry of its L2 table loses what its last entry covers.

use xen::addr::{ENTRIES, Mfn, PAGE_SIZE};
use xen::pte::{Level, Pte};
use xen_model::Xen;

/// What the toolstack takes for the P2M.
#[derive(Debug)]
pub(crate) struct Read {
    /// How many pages it is for.
    pub(crate) pages: u64,
    /// The frames of its leaves.
    pub(crate) leaves: Vec<Mfn>,
}

impl Read {
    /// Its entries, by page.
    pub(crate) fn p2m(&self, xen: &Xen) -> Vec<u64> {
        // At most the domain's pages: fits any usize.
        self.leaves.iter().flat_map(|leaf| *xen.frame(*leaf)).take(self.pages as usize).collect()
    }
}

/// Reads the published list as `xl save` does.
pub(crate) fn read_list(xen: &Xen) -> Result<Read, String> {
    if xen.generation() % 2 == 1 {
        return Err("the list's mapping is changing".to_owned());
    }
    walk_list(xen)
}

/// The same, whether the mapping is changing or not.
pub(crate) fn walk_list(xen: &Xen) -> Result<Read, String> {
    let published = xen.published().ok_or("nothing published")?;
    let list = published.list.ok_or("no list published")?;
    let mut pages = published.entries;
    let (start, mut tables) = (list.at.as_u64() & 0xffff_ffff_ffff, vec![list.root]);
    let mut end = start + pages.div_ceil(ENTRIES) * PAGE_SIZE - 1;
    for level in [Level::L4, Level::L3, Level::L2, Level::L1] {
        let span = level.span();
        // Entries are counted from the first one of the first table.
        let base = start / (span * ENTRIES) * (span * ENTRIES);
        let (first, last) = ((start - base) / span, (end - base) / span);
        let mut frames = vec![];
        let mut last_new = 0;
        for index in first..=last {
            let table = tables[(index / ENTRIES) as usize];
            let entry = Pte::from_word(xen.frame(table)[(index % ENTRIES) as usize]);
            if entry.is_zero() || entry.is_large() || xen.machine().pfn(entry.mfn()).is_none() {
                return Err(format!("bad entry {:#x} at {level:?}, number {index}", entry.word()));
            }
            if level == Level::L2 && frames.last() != Some(&entry.mfn()) {
                last_new = index - first;
            }
            frames.push(entry.mfn());
        }
        if level == Level::L2 {
            let seen = if last_new == last { last_new + 1 } else { last_new };
            if seen * ENTRIES * ENTRIES < pages {
                pages = seen * ENTRIES * ENTRIES;
                end = (start + pages.div_ceil(ENTRIES) * PAGE_SIZE).max(start + 1) - 1;
            }
        }
        tables = frames;
    }
    let leaves: Vec<Mfn> = tables.into_iter().take(pages.div_ceil(ENTRIES) as usize).collect();
    Ok(Read { pages, leaves })
}
