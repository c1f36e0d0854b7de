//! A P2M for more pages than the domain was built with: they are holes until they get a frame.
//!
//! A toolstack may give a domain more memory than it was built with (`maxmem` above `memory`). The new leaves are the
//! shared one of missing pages, whichever form the P2M has; the toolstack finds it there as soon as `max_pfn` says so.
//!
//! Neighbours: `change` fills the holes; `linear`, `tree` and `frame_list` extend what is theirs.

use super::index::{self, TREE_PAGES};
use super::physmap::{Lookup, Physmap};
use crate::error::MmError;
use crate::resources::Resources;
use xen::Hypervisor;

impl Physmap {
    /// Makes room for the entries of `nr_pages` pages, and publishes them.
    ///
    /// # Errors
    /// [`MmError::TooManyPages`] if a tree cannot describe so many; [`MmError`] if memory runs out or Xen refuses an
    /// entry. The P2M describes as many pages as before then.
    pub fn grow<X: Hypervisor>(
        &mut self,
        nr_pages: u64,
        resources: &mut Resources<'_>,
        xen: &mut X,
    ) -> Result<(), MmError> {
        if nr_pages <= self.nr_pages {
            return Ok(());
        }
        let (leaves, mids) = (index::leaves(nr_pages), index::mids(nr_pages));
        let fits = nr_pages <= TREE_PAGES;
        if !fits && self.tree().is_some() {
            return Err(MmError::TooManyPages { pages: nr_pages, most: TREE_PAGES });
        }
        let missing = resources.tables.shown(xen, self.missing.first())?.1.mfn();
        if let Some(list) = self.frame_list.as_mut().filter(|_| fits) {
            list.extend(mids, missing, resources, xen)?;
        }
        match &mut self.lookup {
            Lookup::Tree(tree) => tree.extend(mids, &self.missing, resources, xen)?,
            Lookup::Linear(linear) => linear.extend(leaves, missing, &self.list, resources, xen)?,
        }
        self.nr_pages = nr_pages;
        let beyond = self.frame_list.take_if(|_| !fits);
        self.publish(resources.tables, xen)?;
        beyond.map_or(Ok(()), |list| list.give_back(resources.frames))
    }
}
