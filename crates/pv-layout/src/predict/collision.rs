//! How much of a layout lies in the module area.

use crate::scene::{Kind, Scene};

/// What lies in the module area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collision {
    /// Bytes of the P2M.
    pub p2m: u64,
    /// Bytes of everything else.
    pub others: u64,
}

impl Collision {
    /// Tells whether nothing lies there.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.p2m == 0 && self.others == 0
    }
}

/// Returns how much of a layout lies in the module area.
#[must_use]
pub fn collision(scene: &Scene) -> Collision {
    let sum = |p2m: bool| {
        let rows = scene.rows.iter().filter(|row| (row.kind == Kind::P2m) == p2m);
        rows.map(|row| row.bytes_in(scene.area)).fold(0, u64::saturating_add)
    };
    Collision { p2m: sum(true), others: sum(false) }
}
