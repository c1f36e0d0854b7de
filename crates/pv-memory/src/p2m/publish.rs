//! What the toolstack is shown of the P2M, and when.
//!
//! Up to 512 GiB there is always a frame list. A linear P2M is published as a list as well, once it is where it stays;
//! tools that know lists prefer it. Tools read lists by entries of 4 KiB only: the initial domain's, which Xen maps by
//! larger pages, is not published. Nobody saves or dumps the initial domain.
//!
//! Neighbours: `build`, `revector` and `grow` publish.

use super::physmap::{Lookup, Physmap};
use crate::builder_list::PageSize;
use crate::error::MmError;
use crate::tables::Tables;
use xen::addr::VirtAddr;
use xen::{Hypervisor, PublishedList, PublishedP2m};

impl Physmap {
    /// Publishes the P2M as it is.
    ///
    /// # Errors
    /// [`MmError::NotMapped`] if a page of it is not mapped.
    pub(super) fn publish<X: Hypervisor>(&self, tables: &Tables, xen: &mut X) -> Result<(), MmError> {
        let list = self.published_list().map(|at| PublishedList { root: tables.root().mfn, at });
        self.publish_with(list, tables, xen)
    }

    fn publish_with<X: Hypervisor>(
        &self,
        list: Option<PublishedList>,
        tables: &Tables,
        xen: &mut X,
    ) -> Result<(), MmError> {
        let frame_list = match &self.frame_list {
            Some(list) => Some(tables.shown(xen, list.top())?.1.mfn()),
            None => None,
        };
        xen.publish_p2m(PublishedP2m { entries: self.nr_pages, frame_list, list });
        Ok(())
    }

    /// Publishes the list where the direct map shows it, on purpose: the toolstack's readers lose pages, because it does
    /// not begin in the first 2 MiB of a GiB there. Returns where that is.
    ///
    /// # Errors
    /// [`MmError::NotMapped`] if the direct map does not show the list.
    pub fn misplace<X: Hypervisor>(&self, tables: &Tables, xen: &mut X) -> Result<VirtAddr, MmError> {
        let first = self.linear_pfn(0);
        let at = tables.window().address(first);
        tables.shown(xen, first)?;
        let list = Some(PublishedList { root: tables.root().mfn, at });
        self.publish_with(list, tables, xen)?;
        Ok(at)
    }

    /// Tells whether there is a frame list: up to 512 GiB.
    #[must_use]
    pub const fn has_frame_list(&self) -> bool {
        self.frame_list.is_some()
    }

    /// Returns where the toolstack finds the list, if one is published.
    #[must_use]
    pub fn published_list(&self) -> Option<VirtAddr> {
        let Lookup::Linear(linear) = &self.lookup else { return None };
        let readable =
            self.list.own_mapping().map_or_else(|| self.is_moved(), |own| own.page_size == PageSize::Small);
        readable.then(|| linear.at())
    }

    /// Tells whether no leaf is reached through the high mapping any more.
    fn is_moved(&self) -> bool {
        !self.list.is_builders()
    }
}
