//! A client of xenstore, the toolstack's tree of small values, over the ring that the builder made.
//!
//! A guest reads its configuration there, writes what the toolstack shall know, and watches paths for requests. Relative
//! paths start at the domain's own, `/local/domain/ID`. Requests and replies are messages of a header and at most 4096
//! bytes; a reply has the number of its request, and events of watches arrive in between.
//!
//! The store runs elsewhere and may be broken, or hostile: every length, kind and number is checked, a reply to nobody
//! is dropped (whoever used the ring before may have left one), what is kept has limits, and silence ends with an error.
//! So does a flood: no request takes much longer than five seconds. After an error on the wire nothing in the ring can
//! be relied on, and [`Client::restart`] is the way on.
//!
//! ```
//! use xen::store::Client;
//! # fn example<X: xen::Resident>(xen: &mut X) -> Result<(), xen::store::StoreError> {
//! let mut store = Client::new();
//! store.watch("control/shutdown", "shutdown", xen)?;
//! let name = store.read("name", xen)?;
//! store.write("data/greeting", b"hello", xen)?;
//! # Ok(()) }
//! ```
//!
//! Sources: xen/include/public/io/xs_wire.h; docs/misc/{xenstore.txt, xenstore-paths.pandoc}.

mod client;
mod error;
mod events;
mod wire;

pub use client::{Client, Transaction};
pub use error::{StoreError, Wrong};
pub use events::WatchEvent;
pub use wire::{LONGEST, Message};
