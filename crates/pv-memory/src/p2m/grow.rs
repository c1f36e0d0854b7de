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
use xen::addr::{L3_SPAN, VirtRange};
use xen::start_info::MAX_PAGES;

impl Physmap {
    /// Makes room for the entries of `nr_pages` pages, and publishes them.
    ///
    /// # Errors
    /// [`MmError::TooManyPages`] or [`MmError::NoRoom`] if it cannot describe so many; [`MmError`] if memory runs out or
    /// Xen refuses an entry. The P2M describes as many pages as before then.
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
        self.check_room(nr_pages)?;
        let missing = resources.tables.shown(xen, self.missing.first())?.1.mfn();
        if let Some(list) = self.frame_list.as_mut().filter(|_| fits) {
            list.extend(mids, missing, resources, xen)?;
        }
        match &mut self.lookup {
            Lookup::Tree(tree) => tree.extend(mids, &self.missing, resources, xen)?,
            Lookup::Linear(linear) => linear.extend(leaves, missing, &self.list, resources, xen)?,
        }
        let before = core::mem::replace(&mut self.nr_pages, nr_pages);
        let beyond = self.frame_list.take_if(|_| !fits);
        if let Err(error) = self.publish(resources.tables, xen) {
            (self.nr_pages, self.frame_list) = (before, beyond.or(self.frame_list.take()));
            return Err(error);
        }
        beyond.map_or(Ok(()), |list| list.give_back(resources.frames))
    }

    /// Returns the most pages that the P2M can describe.
    #[must_use]
    pub fn most_pages(&self) -> u64 {
        match &self.lookup {
            Lookup::Tree(_) => TREE_PAGES,
            Lookup::Linear(linear) => {
                let room = L3_SPAN - linear.at().as_u64() % L3_SPAN;
                MAX_PAGES.min(room / 8)
            }
        }
    }

    /// A tree ends at 512 GiB, a list where the direct map does, or its L4 slot, in which nothing else is.
    fn check_room(&self, nr_pages: u64) -> Result<(), MmError> {
        let too_many = |most| MmError::TooManyPages { pages: nr_pages, most };
        match &self.lookup {
            Lookup::Tree(_) if nr_pages > TREE_PAGES => Err(too_many(TREE_PAGES)),
            Lookup::Linear(_) if nr_pages > MAX_PAGES => Err(too_many(MAX_PAGES)),
            Lookup::Tree(_) => Ok(()),
            Lookup::Linear(linear) => {
                let (from, bytes) = (linear.at(), nr_pages * 8);
                let last = from.as_u64() + (bytes - 1);
                let within = VirtRange::new(from, L3_SPAN - from.as_u64() % L3_SPAN);
                if last / L3_SPAN == from.as_u64() / L3_SPAN {
                    Ok(())
                } else {
                    Err(MmError::NoRoom { within, bytes })
                }
            }
        }
    }
}
