//! A naive walk of all page tables by machine frame, from outside the domain.

use std::collections::BTreeMap;

use xen::addr::Mfn;
use xen_model::Xen;

/// A mapped page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) at: u64,
    pub(crate) mfn: Mfn,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
}

/// Everything that the page tables of a domain say.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Every mapped page, lowest address first.
    pub(crate) leaves: Vec<Leaf>,
    /// Every table, with its level.
    pub(crate) tables: BTreeMap<Mfn, u32>,
    /// Every entry of any level that is not zero: address, level.
    pub(crate) nonzero: Vec<(u64, u32)>,
}

impl Walk {
    pub(crate) fn of(xen: &Xen) -> Self {
        let mut walk = Self::default();
        walk.table(xen, xen.root(), 4, 0, (true, true));
        walk
    }

    fn table(&mut self, xen: &Xen, mfn: Mfn, level: u32, base: u64, rights: (bool, bool)) {
        let known = self.tables.insert(mfn, level);
        assert!(known.is_none_or(|known| known == level), "{mfn} is a table of two levels");
        let span = 1 << (12 + 9 * (level - 1));
        for (index, word) in (0_u64..).zip(*xen.frame(mfn)) {
            let is_xens = level == 4 && (256..272).contains(&index);
            if word == 0 || is_xens {
                continue;
            }
            let low = base + index * span;
            let at = if low >> 47 == 1 { low | 0xffff << 48 } else { low };
            self.nonzero.push((at, level));
            if word & 1 == 0 {
                continue;
            }
            let below = Mfn::new(word >> 12 & 0xff_ffff_ffff);
            let rights = (rights.0 && word & 2 != 0, rights.1 && word >> 63 == 0);
            if level > 1 && word & 0x80 == 0 {
                self.table(xen, below, level - 1, low, rights);
                continue;
            }
            // A large page is as many leaves.
            for page in 0..span >> 12 {
                let (at, mfn) = (at + (page << 12), Mfn::new(below.raw() + page));
                self.leaves.push(Leaf { at, mfn, writable: rights.0, executable: rights.1 });
            }
        }
    }

    /// The mapped pages in a range of addresses.
    pub(crate) fn within(&self, start: u64, end: u64) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(move |leaf| (start..end).contains(&leaf.at))
    }
}
