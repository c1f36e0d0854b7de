//! Where leaves are, as a type: the boot still has to move them, or has moved them.
//!
//! [`Initial`] leaves lie where the builder put its list; [`Moved`] ones do not. The type parameter of [`P2m`] says
//! which, so that moving a P2M twice does not compile.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::physmap::{Physmap, Slot};
use crate::error::MmError;
use crate::resources::Resources;
use xen::Hypervisor;
use xen::addr::Pfn;

/// Where leaves are: [`Initial`] or [`Moved`].
pub trait State: core::fmt::Debug {}
/// Leaves are the builder's list, reached where the builder mapped it.
#[derive(Debug)]
pub enum Initial {}
/// No leaf is reached through the high mapping.
#[derive(Debug)]
pub enum Moved {}
impl State for Initial {}
impl State for Moved {}

/// A P2M that the boot still has to move, or has moved.
#[derive(Debug)]
pub struct P2m<S: State> {
    physmap: Physmap,
    state: PhantomData<S>,
}

impl<S: State> P2m<S> {
    /// Marks a P2M with where its leaves are.
    pub(super) const fn new(physmap: Physmap) -> Self {
        Self { physmap, state: PhantomData }
    }

    /// Drops the mark: no later stage moves the leaves or removes the mapping below them.
    #[must_use]
    pub fn into_physmap(self) -> Physmap {
        self.physmap
    }
}

impl<S: State> Deref for P2m<S> {
    type Target = Physmap;

    fn deref(&self) -> &Physmap {
        &self.physmap
    }
}

impl P2m<Initial> {
    /// Changes the entry for a page, as [`Physmap::set`] does. Nothing else of a P2M changes before it has moved: it has
    /// as many entries as the builder's list.
    ///
    /// # Errors
    /// As for [`Physmap::set`].
    pub fn set<X: Hypervisor>(
        &mut self,
        resources: &mut Resources<'_>,
        xen: &mut X,
        pfn: Pfn,
        slot: Slot,
    ) -> Result<(), MmError> {
        self.physmap.set(resources, xen, pfn, slot)
    }
}

impl DerefMut for P2m<Moved> {
    fn deref_mut(&mut self) -> &mut Physmap {
        &mut self.physmap
    }
}
