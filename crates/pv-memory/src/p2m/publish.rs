//! What the toolstack is shown of the P2M, and when.
//!
//! Up to 512 GiB there is always a frame list. A linear P2M is published as a list as well, once it is where it stays;
//! tools that know lists prefer it. A list that stays where a builder mapped it may be one that they cannot read, because
//! pages larger than 4 KiB map it, as Xen's do in the initial domain, or because they would lose pages at its end. Such a
//! list is not published.
//!
//! Neighbours: `build`, `revector` and `grow` publish.

use core::fmt;

use super::physmap::{Lookup, Physmap};
use crate::builder_list::PageSize;
use crate::error::MmError;
use crate::tables::Tables;
use xen::addr::{L1_SPAN, L2_SPAN, VirtAddr};
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
        self.list_for_toolstack().ok()
    }

    /// Returns where the toolstack can read the list.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn list_for_toolstack(&self) -> Result<VirtAddr, Unreadable> {
        let Lookup::Linear(linear) = &self.lookup else { return Err(Unreadable::Tree) };
        match self.list.own_mapping() {
            Some(own) if own.page_size == PageSize::Large => Err(Unreadable::LargePages),
            None if self.list.is_builders() => Err(Unreadable::NotMoved),
            _ if is_read_whole(linear.at()) => Ok(linear.at()),
            _ => Err(Unreadable::Start),
        }
    }
}

/// Tells whether the toolstack reads all of a list that begins at `at`.
const fn is_read_whole(at: VirtAddr) -> bool {
    at.as_u64() % L2_SPAN < L1_SPAN
}

/// Why the toolstack cannot read a P2M as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is a tree.
    Tree,
    /// It lies in the high mapping, which is going to be removed.
    NotMoved,
    /// It is mapped by large pages.
    LargePages,
    /// It does not begin in the first 2 MiB of a GiB.
    Start,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "a tree, which is no list",
            Self::NotMoved => "in the high mapping, which is removed",
            Self::LargePages => "mapped by large pages, which the toolstack cannot read as a list",
            Self::Start => "not from the first 2 MiB of a GiB on, where the toolstack would lose pages",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xen::area;

    #[test]
    fn a_list_is_read_whole_from_the_first_2_mib_of_a_gib_on() {
        let gib = 0x80_4000_0000;
        let whole = [gib, gib + 0x1000, gib + L1_SPAN - 0x1000];
        let cut = [gib + L1_SPAN, gib + L2_SPAN - 0x1000, area::DIRECT.as_u64() + 0x10c7000];
        assert!(whole.iter().all(|at| is_read_whole(VirtAddr::new(*at))));
        assert!(!cut.iter().any(|at| is_read_whole(VirtAddr::new(*at))));
        assert!(is_read_whole(area::P2M.start));
    }
}
