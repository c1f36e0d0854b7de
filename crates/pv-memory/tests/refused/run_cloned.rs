//! Pages have one holder: a run cannot be copied.

use pv_memory::frames::Run;

fn both(run: Run) -> [Run; 2] {
    [run.clone(), run]
}

fn main() {}
