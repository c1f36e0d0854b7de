//! The toolstack's reading of a P2M that is published as a list in the domain's address space (`p2m_cr3`, `p2m_vaddr`).
//!
//! Facts from tools/libs/guest/xg_sr_save_x86_pv.c, `map_p2m_list`, the same from Xen 4.14 on: the tables are walked by
//! frame numbers alone, neither the present bit nor that of large pages is looked at. The last 2 MiB slot is lost unless
//! the list starts in the first 2 MiB of a GiB.

use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn};
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

impl ListClaim {
    /// Returns the frames of the list's pages that the toolstack finds.
    pub(crate) fn read(self, xen: &Xen) -> Result<Vec<Mfn>, String> {
        let pages = self.entries.div_ceil(ENTRIES);
        let last = self.at + (pages * PAGE_SIZE - 1);
        let canonical = |at: u64| (at as i64) << 16 >> 16 == at as i64;
        if !canonical(self.at) || !canonical(last) || (self.at < XENS.end && last >= XENS.start) {
            return Err(format!("a list at {:#x} -> {last:#x}", self.at));
        }
        let mut tables = vec![self.root];
        for level in [4, 3, 2, 1] {
            let shift = 12 + 9 * (level - 1);
            let (first, end) = ((self.at >> shift) % ENTRIES, (last >> shift) - (self.at >> shift) + 1);
            let words = tables.iter().flat_map(|table| xen.frame(*table).into_owned());
            let needed = words.skip(first as usize).take(end as usize);
            tables = needed.map(|word| valid(xen, word, level)).collect::<Result<_, _>>()?;
        }
        let slots = (last >> 21) - (self.at >> 21) + 1;
        if !(self.at >> 21).is_multiple_of(ENTRIES) {
            tables.truncate(((slots - 1) * ENTRIES) as usize);
        }
        if tables.is_empty() {
            return Err("the only slot is lost".to_owned());
        }
        Ok(tables)
    }

    /// Checks that each frame leads back, through M2P and the list itself.
    pub(crate) fn check(self, xen: &Xen, leaves: &[Mfn]) -> Result<(), String> {
        for leaf in leaves {
            let pfn = xen.machine().m2p(*leaf).map_or(u64::MAX, Pfn::raw);
            let holder = leaves.get((pfn / ENTRIES) as usize).filter(|_| pfn < self.entries);
            if holder.map(|holder| xen.word(*holder, (pfn % ENTRIES) as usize)) != Some(leaf.raw()) {
                return Err(format!("Bad mfn in p2m_frame_list: {leaf}"));
            }
        }
        Ok(())
    }
}

fn valid(xen: &Xen, word: u64, level: u32) -> Result<Mfn, String> {
    let mfn = Mfn::new(word >> 12 & 0xff_ffff_ffff);
    let known = mfn.raw() != 0 && mfn <= xen.machine().limit();
    if known { Ok(mfn) } else { Err(format!("level {level}: entry {word:#x}")) }
}
