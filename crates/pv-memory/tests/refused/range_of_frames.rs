//! Pages that follow one another are a range; frames that do are a coincidence.

use xen::addr::{Mfn, PfnRange};

fn frames(first: Mfn) -> PfnRange {
    PfnRange::new(first, 512)
}

fn main() {}
