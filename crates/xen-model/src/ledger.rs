//! The record of flushes: how many were asked for, and what has changed since the last.
//!
//! Neighbour: `flushes` keeps it.

use alloc::vec::Vec;
use std::collections::HashMap;

use xen::addr::Mfn;

/// When the modelled processor forgets translations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flushes {
    /// When the guest asks, and never else; a stale translation that the guest could use is a panic.
    #[default]
    OnlyAsked,
    /// Also when a Xen of today does it by itself; a stale translation is used, as on hardware.
    AlsoImplied,
}

/// Flushes so far, and what they are for.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) mode: Flushes,
    /// Whole flushes that the guest asked for.
    pub(crate) asked: u64,
    pub(crate) left_out: Option<u64>,
    /// Elements of the last batch.
    pub(crate) elements: usize,
    /// Something remembered may be stale.
    pub(crate) changed: bool,
    /// Addresses of L1 tables, until a table above changes.
    pub(crate) places: Option<HashMap<Mfn, Vec<u64>>>,
}
