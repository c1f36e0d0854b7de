//! What is known about the builder's list: its pieces, and the mapping of its own that it may have.
//!
//! Neighbours: `search` finds them; `p2m` keeps them until the list is moved, `cleanup` removes the mapping.

use alloc::vec::Vec;

use crate::walk::Counts;
use crate::window::Window;
use xen::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};

/// Pages of the list that are contiguous both in memory and in address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) at: VirtAddr,
    pub(crate) pages: PfnRange,
}

impl Piece {
    /// Returns the mapping that shows the piece.
    pub(crate) fn window(self) -> Window {
        let base = self.at.as_u64().wrapping_sub(self.pages.start.raw().wrapping_mul(PAGE_SIZE));
        let mut window = Window::new(VirtAddr::new_truncate(base), Pfn::ZERO);
        window.extend(self.pages);
        window
    }

    /// Returns the address after the piece.
    pub(super) const fn end(self) -> VirtAddr {
        VirtAddr::new_truncate(self.at.as_u64().wrapping_add(self.pages.pages() * PAGE_SIZE))
    }
}

/// The builder's list, page by page.
#[derive(Debug)]
pub(crate) struct BuilderList {
    /// Its addresses, whole pages.
    pub(crate) addresses: VirtRange,
    /// In order of address, without a gap.
    pub(crate) pieces: Vec<Piece>,
    /// The list's own mapping, if it is not in the high mapping.
    pub(crate) own_mapping: Option<OwnMapping>,
}

/// By which pages a list is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// 4 KiB, as the toolstack needs them to be.
    Small,
    /// 2 MiB or 1 GiB, at least in part.
    Large,
}

/// The mapping of its own that a list has with `INIT_P2M`.
#[derive(Debug)]
pub struct OwnMapping {
    /// The list's addresses, whole pages.
    pub addresses: VirtRange,
    /// Tables by level, not counting the root.
    pub counts: Counts,
    /// The largest pages by which the list is mapped.
    pub page_size: PageSize,
    /// The pages of the tables, which the direct map shows read-only.
    pub(crate) tables: Vec<PfnRange>,
}
