//! Small programs of page-table operations, valid and refused: Xen's answers to them define what its model must answer.
//!
//! The same programs run in a guest on real Xen (`selftest=conformance`) and on the host's model of Xen. Each gives
//! one line of results, errno by errno; both must equal `tests/model/conformance.txt`, which was recorded on real Xen.
//! So whenever the model and Xen diverge, a test says where.
//!
//! `op` is the language, `programs` and `strangers` are the programs, `lab` runs them on scratch pages and cleans up
//! after each.

mod lab;
mod op;
mod programs;
mod strangers;

pub use lab::run;
pub use programs::all;
