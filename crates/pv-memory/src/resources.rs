//! What a change of the P2M itself may take.
//!
//! [`Memory`](crate::memory::Memory) is for everybody else: it lends the P2M too, to be looked at.

use crate::frames::Frames;
use crate::tables::Tables;

/// What changing the P2M itself may take: page tables and free pages.
#[derive(Debug)]
pub struct Resources<'m> {
    /// The page tables, and the window through which pages are reached.
    pub tables: &'m mut Tables,
    /// The free pages.
    pub frames: &'m mut Frames,
}
