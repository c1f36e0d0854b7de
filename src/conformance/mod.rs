//! Small programs of page-table operations, valid and refused: what Xen says to each is the truth for its model.
//!
//! The same programs run in a guest on real Xen (`selftest=conformance`) and on the host's model of Xen. Each gives
//! one line of results, errno by errno; both must equal `tests/model/conformance.txt`, which was taken from real Xen.
//! So the model cannot drift from Xen, nor a new Xen from the model, without a test saying where.
//!
//! `op` is the language, `programs` and `strangers` the programs, `lab` runs them on scratch pages and cleans up behind each.

mod lab;
mod op;
mod programs;
mod strangers;

pub use lab::run;
pub use programs::all;
