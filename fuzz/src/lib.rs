//! What each fuzz target does with its input, and what must hold then.
//!
//! Every function takes any bytes and panics if a promise of the code under test is broken. libFuzzer calls them from
//! `fuzz_targets/`, with inputs of its own making; `tests/tree/corpora.rs` includes this file as a module and calls them
//! with the inputs kept in `corpus/`. So whatever was found once stays found, with a stable compiler and in seconds.

pub mod check;
mod domain;
pub mod gunzip;
pub mod newc;
pub mod object;
pub mod options;
pub mod report;
pub mod source;
pub mod start_info;
pub mod store;
mod store_peer;
mod stub;
pub mod tools_rows;
pub mod tools_symbols;

/// Panics if a message for the log would take more than its line.
fn assert_one_line(message: &impl std::fmt::Display) {
    let text = message.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}
