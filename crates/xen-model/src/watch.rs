//! Callbacks that look at the machine while a boot runs: what must hold all the time is checked between hypercalls.
//!
//! Neighbours: `state` has the callbacks, `hypervisor` calls them; tests install them.

/// What a watch is called after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A hypercall that changed page tables, or was to.
    Tables,
    /// A call into a module, which is about to run.
    Call,
}

/// Callbacks for a `T`.
#[derive(Debug)]
pub(crate) struct Watchers<T> {
    pub(crate) watch: Option<fn(&T, Event)>,
    pub(crate) tamper: Option<fn(&mut T)>,
}

impl<T> Watchers<T> {
    pub(crate) const NOBODY: Self = Self { watch: None, tamper: None };
}
