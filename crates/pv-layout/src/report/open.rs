//! Which accounts are open in a stream, so that a fact goes on with the account that it belongs to.

use super::fact::{Side, Teller};

/// The accounts that are open in a stream, by their index.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    builder: Option<usize>,
    inside: Option<usize>,
    crash: Option<usize>,
    /// Who spoke last of those who are not Xen about a crash.
    pub last: Option<Teller>,
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

    /// An account that has just been told something.
    pub(super) fn remember(&mut self, by: Teller, index: usize) {
        if by.builds() && self.builder != Some(index) {
            // Another guest is being built: what comes next from inside is not the one before.
            *self = Self { builder: Some(index), last: Some(by), ..Self::default() };
            return;
        }
        *self.slot(by.side()) = Some(index);
        if by.side() != Side::Crash {
            self.last = Some(by);
        }
    }
}
