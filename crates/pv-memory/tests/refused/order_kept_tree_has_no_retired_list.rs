//! `p2m=keep` leaves the list in use: there is nothing that stage 7 could clean.

use pv_memory::p2m::{Outcome, Retired};

fn retired(outcome: Outcome) -> Retired {
    match outcome {
        Outcome::Moved(_, retired) | Outcome::Kept(retired) => retired,
    }
}

fn main() {}
