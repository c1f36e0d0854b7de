//! Which page of the run that holds the tree is what.
//!
//! The tree's own pages and those of the frame list are taken at once, because their number follows from the domain's
//! size. Neighbours: `build` fills them, `tree` and `change` find them here.

/// Index of each kind of page in the run that holds the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Mid pages; the frame list has as many.
    pub(super) mids: u64,
}

impl Plan {
    pub(super) const TOP: u64 = 0;
    pub(super) const TOP_MFN: u64 = 1;
    pub(super) const MISSING: u64 = 2;
    pub(super) const IDENTITY: u64 = 3;
    pub(super) const MID_MISSING: u64 = 4;
    pub(super) const MID_MISSING_MFN: u64 = 5;
    const FIRST_MID: u64 = 6;

    pub(super) const fn mid(top: u64) -> u64 {
        Self::FIRST_MID + top
    }

    pub(super) const fn mid_mfn(self, top: u64) -> u64 {
        Self::FIRST_MID + self.mids + top
    }

    pub(super) const fn pages(self) -> u64 {
        Self::FIRST_MID + 2 * self.mids
    }
}
