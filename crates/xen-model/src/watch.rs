//! Who looks at the machine while a boot runs: what must hold all the time is seen between two hypercalls, not after.
//!
//! Neighbours: `state` has those who look, `hypervisor` says when something happened; tests say what they want to see.

/// What a watch is called after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A hypercall that changed page tables, or was to.
    Tables,
    /// A call into a module, which is about to run.
    Call,
}

/// Those who want to know of a `T`.
#[derive(Debug)]
pub(crate) struct Watchers<T> {
    pub(crate) watch: Option<fn(&T, Event)>,
    pub(crate) tamper: Option<fn(&mut T)>,
}

impl<T> Watchers<T> {
    pub(crate) const NOBODY: Self = Self { watch: None, tamper: None };
}
