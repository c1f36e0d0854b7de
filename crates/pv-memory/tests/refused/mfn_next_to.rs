//! A domain's frames are scattered over the machine: the next frame is somebody else's, so `plus` is for pages only.

use xen::addr::Mfn;

fn next(mfn: Mfn) -> Mfn {
    mfn.plus(1)
}

fn main() {}
