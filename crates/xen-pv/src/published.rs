//! Where the toolstack finds the P2M: what the domain says in shared_info.
//!
//! A domain may publish a *frame list*, a tree of machine frames in three levels, which ends at 512 GiB, and a *list* in
//! its own address space, which the toolstack reads through the domain's page tables. `xl save` reads the list since Xen
//! 4.7, the other programs since 4.15.1; where both are there, the list wins. Source:
//! xen/include/public/arch-x86/xen.h (`arch_shared_info`).

use crate::addr::{Mfn, PAGE_SIZE, VirtAddr};

/// `pfn_to_mfn_frame_list_list` of a domain that has no frame list.
const NO_FRAME_LIST: u64 = u64::MAX;

/// The P2M as the toolstack finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedP2m {
    /// Entries: one for each page of the domain.
    pub entries: u64,
    /// The top page of the frame list.
    pub frame_list: Option<Mfn>,
    /// The list in address space.
    pub list: Option<PublishedList>,
}

/// A list that the toolstack reads through page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedList {
    /// The L4 table.
    pub root: Mfn,
    /// Where the entry of page 0 is.
    pub at: VirtAddr,
}

impl PublishedP2m {
    /// Reads the fields of shared_info; `list` is what [`PublishedP2m::list_words`] returns.
    #[must_use]
    pub fn from_words(entries: u64, frame_list: u64, list: [u64; 2]) -> Self {
        let [root, at] = list;
        let list = PublishedList { root: Mfn::new(root / PAGE_SIZE), at: VirtAddr::new_truncate(at) };
        Self {
            entries,
            frame_list: (frame_list != NO_FRAME_LIST).then(|| Mfn::new(frame_list)),
            list: (root != 0).then_some(list),
        }
    }

    /// Returns `p2m_cr3` and `p2m_vaddr`, both zero without a list.
    #[must_use]
    pub fn list_words(&self) -> [u64; 2] {
        self.list.map_or([0, 0], |list| [list.root.raw() * PAGE_SIZE, list.at.as_u64()])
    }

    /// Returns `pfn_to_mfn_frame_list_list`.
    #[must_use]
    pub fn frame_list_word(&self) -> u64 {
        self.frame_list.map_or(NO_FRAME_LIST, Mfn::raw)
    }
}

/// Whether the mapping of a published list is stable: the toolstack starts anew if it changed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListState {
    /// It is about to change.
    Changing,
    /// It has changed.
    Stable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_what_is_read() {
        let list = PublishedList { root: Mfn::new(0x1234), at: VirtAddr::new(0xffff_ea00_0000_7000) };
        for (frame_list, list) in
            [(Some(Mfn::new(7)), None), (None, Some(list)), (Some(Mfn::new(0)), Some(list))]
        {
            let p2m = PublishedP2m { entries: 99, frame_list, list };
            assert_eq!(PublishedP2m::from_words(99, p2m.frame_list_word(), p2m.list_words()), p2m);
        }
    }
}
