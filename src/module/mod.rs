//! Stage 9, the half that touches memory: objects from the ramdisk are placed, run, listed and unloaded.
//!
//! The pure half is the crate `ko_loader`, which computes what has to be written where. Here an area of the module
//! space is taken, written and protected, and its functions are called. `driver` is the stage.

mod call;
mod check;
pub(crate) mod driver;
pub mod export;
pub mod list;
pub mod load;
pub(crate) mod loan;
pub mod source;
