//! Builders ignore an unaligned `INIT_P2M` without a word, so it does not compile.

use xen::Notes;

const NOTES: Notes = Notes::new("unaligned").init_p2m(0x1234);

fn main() {
    let _ = NOTES;
}
