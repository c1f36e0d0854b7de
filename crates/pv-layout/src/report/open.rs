//! Which records are open in a stream, so that a fact goes to the record that it belongs to.

use super::fact::{Side, Writer};

/// The records that are open in a stream, by their index.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    builder: Option<usize>,
    inside: Option<usize>,
    crash: Option<usize>,
    /// Who wrote last, leaving aside Xen about a crash.
    pub last: Option<Writer>,
}

impl Open {
    pub(super) const fn slot(&mut self, side: Side) -> &mut Option<usize> {
        match side {
            Side::Builder => &mut self.builder,
            Side::Inside => &mut self.inside,
            Side::Crash => &mut self.crash,
        }
    }

    pub(super) fn holds(&self, index: usize) -> bool {
        [self.builder, self.inside, self.crash].contains(&Some(index))
    }

    /// A record that a fact has just gone to.
    pub(super) fn remember(&mut self, by: Writer, index: usize) {
        if by.builds() && self.builder != Some(index) {
            // Another guest is being built: the next line from inside is not from the guest before.
            *self = Self { builder: Some(index), last: Some(by), ..Self::default() };
            return;
        }
        *self.slot(by.side()) = Some(index);
        if by.side() != Side::Crash {
            self.last = Some(by);
        }
    }
}
