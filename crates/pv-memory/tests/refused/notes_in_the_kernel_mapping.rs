//! A P2M in the kernel mapping is the collision that the note is there to avoid.

use xen::Notes;

const NOTES: Notes = Notes::new("collides").init_p2m(0xffff_ffff_a000_0000);

fn main() {
    let _ = NOTES;
}
