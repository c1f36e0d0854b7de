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

/// The same, in the words of `arch_shared_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedWords {
    /// `max_pfn`.
    pub max_pfn: u64,
    /// `pfn_to_mfn_frame_list_list`.
    pub frame_list_list: u64,
    /// `p2m_cr3`.
    pub p2m_cr3: u64,
    /// `p2m_vaddr`.
    pub p2m_vaddr: u64,
}

impl From<PublishedWords> for PublishedP2m {
    fn from(words: PublishedWords) -> Self {
        let PublishedWords { max_pfn: entries, frame_list_list, p2m_cr3, p2m_vaddr } = words;
        let root = Mfn::new(p2m_cr3 / PAGE_SIZE);
        let list = PublishedList { root, at: VirtAddr::new_truncate(p2m_vaddr) };
        Self {
            entries,
            frame_list: (frame_list_list != NO_FRAME_LIST).then(|| Mfn::new(frame_list_list)),
            list: (p2m_cr3 != 0).then_some(list),
        }
    }
}

impl From<PublishedP2m> for PublishedWords {
    fn from(p2m: PublishedP2m) -> Self {
        Self {
            max_pfn: p2m.entries,
            frame_list_list: p2m.frame_list.map_or(NO_FRAME_LIST, Mfn::raw),
            p2m_cr3: p2m.list.map_or(0, |list| list.root.raw() * PAGE_SIZE),
            p2m_vaddr: p2m.list.map_or(0, |list| list.at.as_u64()),
        }
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
            assert_eq!(PublishedP2m::from(PublishedWords::from(p2m)), p2m);
        }
    }
}
