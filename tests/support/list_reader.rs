//! The toolstack's reader of a list in the domain's address space, written from what `xl save` does, not from how the
//! boot publishes it.
//!
//! Facts from tools/libs/guest/xg_sr_save_x86_pv.c, `map_p2m_list`, the same from Xen 4.14 on: one walk of the domain's
//! page tables by frame numbers alone; neither the present bit nor that of large pages is looked at. At level 2 the
//! reader notes where the last entry that differs from the one before is, and shortens the list to what it has seen by
//! then; it counts entries from the first that it looked at, but compares the count with an index in the table. So a
//! list that does not start in the first entry of its L2 table loses what its last entry covers. (Where that is all,
//! dump-core and mfndump fail, as here; in `xl save` the count wraps around, and nothing is lost.)

use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn};
use xen::pte::{Level, Pte};
use xen_model::Xen;

/// Addresses of the hypervisor, where no list may be.
const XENS: core::ops::Range<u64> = 0xffff_8000_0000_0000..0xffff_8800_0000_0000;

/// What a domain says of its list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListClaim {
    /// The L4 table.
    pub(crate) root: Mfn,
    /// Where the entry of page 0 is.
    pub(crate) at: u64,
    /// Entries.
    pub(crate) entries: u64,
}

/// What the toolstack takes for the P2M.
#[derive(Debug)]
pub(crate) struct Read {
    /// How many pages it is for.
    pub(crate) pages: u64,
    /// The frames of its leaves.
    pub(crate) leaves: Vec<Mfn>,
}

impl ListClaim {
    /// What the domain has published.
    pub(crate) fn published(xen: &Xen) -> Result<Self, String> {
        let published = xen.published().ok_or("nothing published")?;
        let list = published.list.ok_or("no list published")?;
        Ok(Self { root: list.root, at: list.at.as_u64(), entries: published.entries })
    }

    /// Walks the tables.
    pub(crate) fn walk(self, xen: &Xen) -> Result<Read, String> {
        let mut pages = self.entries;
        let last_byte = |pages: u64| self.at + (pages.div_ceil(ENTRIES) * PAGE_SIZE - 1);
        let mut end = last_byte(pages);
        let canonical = |at: u64| (at.cast_signed() << 16 >> 16).cast_unsigned() == at;
        if !canonical(self.at) || !canonical(end) || (self.at < XENS.end && end >= XENS.start) {
            return Err(format!("a list at {:#x} -> {end:#x}", self.at));
        }
        let mut tables = vec![self.root];
        for level in [Level::L4, Level::L3, Level::L2, Level::L1] {
            let span = level.span();
            // The first entry of the first table that the level above has led to.
            let base = self.at / (span * ENTRIES) * ENTRIES;
            let (first, last) = (self.at / span - base, end / span - base);
            let (mut frames, mut last_new) = (vec![], 0);
            for index in first..=last {
                let word = xen.word(tables[(index / ENTRIES) as usize], (index % ENTRIES) as usize);
                let frame = Pte::from_word(word).mfn();
                // What the domain got since it was built lies above.
                let is_beyond = frame > xen.machine().limit() && xen.machine().pfn(frame).is_none();
                if frame.raw() == 0 || is_beyond {
                    return Err(format!("bad entry {word:#x} at {level:?}, number {index}"));
                }
                if frames.last() != Some(&frame) {
                    last_new = index - first;
                }
                frames.push(frame);
            }
            if level == Level::L2 {
                let seen = if last_new == last { last_new + 1 } else { last_new };
                if seen * ENTRIES * ENTRIES < pages {
                    pages = seen * ENTRIES * ENTRIES;
                    if pages == 0 {
                        return Err("the only slot is lost".to_owned());
                    }
                    end = last_byte(pages);
                }
            }
            tables = frames;
        }
        Ok(Read { pages, leaves: tables })
    }
}

impl Read {
    /// Its entries, by page.
    pub(crate) fn p2m(&self, xen: &Xen) -> Vec<u64> {
        // At most the domain's pages: fits any usize.
        let words = self.leaves.iter().flat_map(|leaf| *xen.frame(*leaf));
        words.take(self.pages as usize).collect()
    }

    /// Checks that each frame leads back, through M2P and the list itself.
    pub(crate) fn check(&self, xen: &Xen) -> Result<(), String> {
        for leaf in &self.leaves {
            let pfn = xen.machine().m2p(*leaf).map_or(u64::MAX, Pfn::raw);
            let holder = self.leaves.get((pfn / ENTRIES) as usize).filter(|_| pfn < self.pages);
            if holder.map(|holder| xen.word(*holder, (pfn % ENTRIES) as usize)) != Some(leaf.raw()) {
                return Err(format!("Bad mfn in p2m_frame_list: {leaf}"));
            }
        }
        Ok(())
    }
}

/// Reads the published list; like a live migration, not while its mapping changes.
pub(crate) fn read_list(xen: &Xen) -> Result<Read, String> {
    if xen.generation() % 2 == 1 {
        return Err("the list's mapping is changing".to_owned());
    }
    let read = ListClaim::published(xen)?.walk(xen)?;
    read.check(xen)?;
    Ok(read)
}
