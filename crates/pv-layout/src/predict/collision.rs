//! How much of a layout lies in the module area.

use crate::scene::{Kind, Scene};

/// Bytes of the P2M, and of everything else, that lie in the module area.
#[must_use]
pub fn collision(scene: &Scene) -> (u64, u64) {
    let sum = |p2m: bool| {
        let rows = scene.rows.iter().filter(|row| (row.kind == Kind::P2m) == p2m);
        rows.map(|row| row.bytes_in(scene.area)).fold(0, u64::saturating_add)
    };
    (sum(true), sum(false))
}
