//! What builders got wrong, or could: each a mistake in a domain that is right otherwise, for the boot to find.
//!
//! Neighbours: `rows` makes room for a list that is too short, `plant` does the rest. Who must find them:
//! tests/boot/planted.rs.

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The list is a page shorter than `nr_pages` asks for, and what follows lies where that page should be.
    ListPageShort,
    /// `nr_p2m_frames` is one less than pages of the list and of its tables.
    P2mFrameFewer,
    /// `nr_pt_frames` is one less than tables of the initial mapping.
    TableFrameFewer,
    /// The ramdisk's first page has the frame of a page table.
    RamdiskInTable,
    /// `console.mfn` is the frame of the list's first page.
    RingInList,
    /// `mfn_list` is where the list was before the ramdisk was put in front of it, or the note was honoured.
    StaleList,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 6] = [
        Self::ListPageShort,
        Self::P2mFrameFewer,
        Self::TableFrameFewer,
        Self::RamdiskInTable,
        Self::RingInList,
        Self::StaleList,
    ];
}
