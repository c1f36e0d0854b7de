//! A tree whose leaves are in the high mapping does not pass for one that was moved.

use pv_memory::p2m::{Initial, Outcome, P2m, Retired};

fn pretend(tree: P2m<Initial>, retired: Retired) -> Outcome {
    Outcome::Moved(tree, retired)
}

fn main() {}
