//! The table of boots that `pvlab suite` runs, from the files that know them.

use crate::{
    cases::{self, Case},
    cases_builders, cases_crashes, cases_examples, cases_large, cases_modules, cases_monitor, cases_readers,
    cases_scripts, matrix,
};

/// Every case, quick ones first; those that take a machine of their own last.
pub(crate) fn all() -> Vec<Case> {
    [
        cases::quick(),
        cases_crashes::crashes(),
        cases_examples::guests(),
        cases_modules::cases(),
        cases_readers::quick(),
        cases_scripts::quick(),
        cases_monitor::quick(),
        cases_builders::every_time(),
        matrix::cases(),
        cases::slow(),
        cases_examples::initial_domains(),
        cases_monitor::initial_domains(),
        cases_examples::in_shim(),
        cases_monitor::in_shim(),
        cases_large::seeds(),
    ]
    .concat()
}

/// What takes too long, or too much of the host's memory, for every change.
pub(crate) fn long() -> Vec<Case> {
    [
        cases_modules::long(),
        vec![cases_large::noted_seed()],
        cases_large::edge(),
        cases_builders::large(),
        matrix::long(),
    ]
    .concat()
}

/// Guests whose P2M the toolstack's programs read.
pub(crate) fn readers() -> Vec<Case> {
    [cases_readers::all(), cases_monitor::long()].concat()
}

/// Every image by every builder.
pub(crate) fn builders() -> Vec<Case> {
    cases_builders::all()
}
