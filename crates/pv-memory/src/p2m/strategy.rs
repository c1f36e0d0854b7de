//! How the P2M is built and moved: what a command line may ask for.
//!
//! Neighbours: `build` builds what a strategy needs, `revector` carries it out.

use super::index::TREE_PAGES;

/// How the P2M is built and moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// A new list in direct-map memory; the old one is given back.
    Copy,
    /// The same frames, reached through the direct map.
    Alias,
    /// The same frames, in a row of addresses of their own; the only way above 512 GiB.
    Linear,
    /// The classic way, for comparison: all RAM is mapped at boot, one element per page, then the list is copied.
    Baseline,
    /// The list stays where it is: no revectoring, no cleanup. The control that must fail.
    Keep,
}

/// What leads to the leaves of a P2M.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A tree of pointers, which ends at 512 GiB.
    Tree,
    /// Arithmetic.
    List,
}

impl Strategy {
    /// Returns the form that a strategy needs.
    #[must_use]
    pub const fn form(self) -> Form {
        match self {
            Self::Linear => Form::List,
            Self::Copy | Self::Alias | Self::Baseline | Self::Keep => Form::Tree,
        }
    }

    /// Returns the strategy for a domain that has not asked for one: `copy`, or `linear` if a tree cannot describe so
    /// many pages.
    #[must_use]
    pub const fn for_pages(nr_pages: u64) -> Self {
        if nr_pages <= TREE_PAGES { Self::Copy } else { Self::Linear }
    }
}
