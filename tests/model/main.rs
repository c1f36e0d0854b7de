//! What every other test stands on, compared with the originals: the ABI with Xen's headers, the model with what real
//! Xen and real domain builders did.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod abi;
mod builders;
mod captured;
mod conformance;
mod handed_over;
mod predict;
#[path = "../support/mod.rs"]
mod support;
mod xen_rules;
