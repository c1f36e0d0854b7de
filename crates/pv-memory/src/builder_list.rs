//! Part of stage 5: which pages the builder's P2M list lies in.
//!
//! Without the note `INIT_P2M` they are a row of the high mapping, page after page. With it the list has a mapping of
//! its own, whose page tables are not mapped anywhere. All that is promised is that list and tables lie in the row that
//! start_info names: the toolstack and GRUB allocate the list in one piece and map it with 4 KiB pages, Xen's own
//! builder uses pages of 2 MiB and 1 GiB where it can, with tables in between. So the tables are walked (`search`).
//!
//! Neighbours: `p2m::build` makes leaves of the list's pages, `cleanup` drops the mapping and gives the tables back.
//! Sources: xen/include/public/xen.h (`first_p2m_pfn`); docs/builders.md.

mod error;
mod pieces;
mod search;

use alloc::vec;

use crate::error::MmError;
use crate::frames::Frames;
use crate::layout::{Layout, Name};
use crate::tables::Tables;
pub use error::ListError;
pub(crate) use pieces::{BuilderList, Piece};
pub use pieces::{OwnMapping, PageSize};
use search::Search;
use xen::Hypervisor;
use xen::addr::{PAGE_SIZE, VirtRange};

impl BuilderList {
    /// Finds the list's pages.
    ///
    /// # Errors
    /// [`ListError`] as the first thing wrong with the list's own mapping; else [`MmError`], if memory runs out.
    pub(crate) fn find<X: Hypervisor>(
        layout: &Layout,
        tables: &mut Tables,
        frames: &mut Frames,
        xen: &mut X,
    ) -> Result<Self, MmError> {
        let row = layout.pages(Name::Phys2mach);
        let addresses = VirtRange::new(layout.mfn_list.start, layout.mfn_list.pages() * PAGE_SIZE);
        if !layout.list_has_own_mapping() {
            let pieces = vec![Piece { at: addresses.start, pages: row }];
            return Ok(Self { addresses, pieces, own_mapping: None });
        }
        Search::new(row, layout.list()).run(addresses, tables, frames, xen)
    }
}
