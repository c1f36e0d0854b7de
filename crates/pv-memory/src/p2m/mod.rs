//! The P2M: pfn -> mfn, by a tree or by a list, and what the toolstack reads of it.
//!
//! ```text
//!   top ----> mid ----> leaf          a tree: entries are addresses; leaves are pages of the builder's list (stage 5),
//!   512       512       512 mfns      or of our own (stage 6); ends at 512 GiB
//!
//!   leaf | leaf | leaf | ...          a list (`linear`): leaves follow each other in address space
//!
//!   top_mfn -> mid_mfn -> leaf        the toolstack's: entries are machine frames; the same leaves, up to 512 GiB
//! ```
//!
//! Why a tree when there is already a list: holes cost nothing (they share one page), and each leaf can be moved on its
//! own. Why a list: it has no end, and a lookup is one load. Why a frame list beside either: some tools cannot follow the
//! guest's addresses, so they walk machine frames from `arch.pfn_to_mfn_frame_list_list` (the log calls this list the
//! machine-frame tree). It is published from boot on and changes in the same step as the tree, because the tools map it
//! without asking the guest first.
//!
//! Stage 5 (`build`) makes [`P2m<Initial>`], stage 6 (`revector`) turns it into [`P2m<Moved>`]. `verify` compares both
//! with Xen's M2P. Sources: xen/include/public/arch-x86/xen.h (arch_shared_info); Linux v3.7 arch/x86/xen/p2m.c
//! (structure and its bugs, facts only).

mod baseline;
mod build;
mod change;
pub mod digest;
mod frame_list;
mod grow;
pub mod index;
mod linear;
mod list;
mod mids;
pub mod misname;
mod physmap;
mod publish;
mod reader;
pub mod revector;
mod state;
mod strategy;
mod tree;
pub mod verify;

pub use crate::builder_list::{OwnMapping, PageSize};
pub use physmap::{Physmap, Slot};
pub use publish::Unreadable;
pub(crate) use reader::FrameReader;
pub use reader::Leaves;
pub use revector::{Fate, Outcome, Retired, revector};
pub use state::{Initial, Moved, P2m, State};
pub use strategy::{Form, Strategy};
