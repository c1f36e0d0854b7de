//! Who looks at the machine while a boot runs: what must hold all the time is seen between two hypercalls, not after.
//!
//! Neighbours: `xen` says when something happened; tests say what they want to see.

use crate::hypervisor::Xen;

/// What a watch is called after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A hypercall that changed page tables, or was to.
    Tables,
    /// A call into a module, which is about to run.
    Call,
}

/// Those who want to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watchers {
    watch: Option<fn(&Xen, Event)>,
    tamper: Option<fn(&mut Xen)>,
}

impl Xen {
    /// Has `watch` look at the machine after each event from now on; it panics if it does not like what it sees.
    pub const fn watch(&mut self, watch: fn(&Self, Event)) {
        self.watchers.watch = Some(watch);
    }

    /// Has `tamper` change the machine after each hypercall from now on, before anybody looks: what an error of the
    /// kernel would do.
    pub const fn tamper(&mut self, tamper: fn(&mut Self)) {
        self.watchers.tamper = Some(tamper);
    }

    pub(crate) fn happened(&mut self, event: Event) {
        let Watchers { watch, tamper } = self.watchers;
        if let Some(tamper) = tamper.filter(|_| event == Event::Tables) {
            tamper(self);
        }
        if let Some(watch) = watch {
            watch(self, event);
        }
    }
}
