//! Where the columns of a picture are: what `picture` decides, and `marks` draws across.

use super::columns::Column;

/// A column's place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) column: Column,
    pub(super) x0: i32,
    pub(super) x1: i32,
    pub(super) ticks: Ticks,
}

/// Where a column's addresses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ticks {
    Left,
    Right,
    None,
}

/// Columns that share their heights.
pub(super) struct Part {
    pub(super) heading: Vec<(i32, String)>,
    pub(super) places: Vec<Place>,
}
