//! The rings that a guest shares with daemons of the toolstack: the console's, and xenstore's with its messages.
//!
//! Sources: xen/include/public/io/{console.h, xs_wire.h}.

use core::mem::{offset_of, size_of};

/// Console ring: guest to console in `output`, free-running indices.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "xencons_interface")]
pub struct ConsoleRing {
    /// Bytes from the console.
    pub input: [u8; 1024],
    /// Bytes to the console.
    pub output: [u8; 2048],
    /// Consumer of `input`.
    pub in_cons: u32,
    /// Producer of `input`.
    pub in_prod: u32,
    /// Consumer of `output`.
    pub out_cons: u32,
    /// Producer of `output`.
    pub out_prod: u32,
}

/// Xenstore ring: requests and replies, free-running indices.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[doc(alias = "xenstore_domain_interface")]
pub struct StoreRing {
    /// Bytes to the store.
    pub requests: [u8; 1024],
    /// Bytes from the store: replies, and events of watches.
    pub replies: [u8; 1024],
    /// Consumer of `requests`.
    pub req_cons: u32,
    /// Producer of `requests`.
    pub req_prod: u32,
    /// Consumer of `replies`.
    pub rsp_cons: u32,
    /// Producer of `replies`.
    pub rsp_prod: u32,
    /// What the store can do besides.
    pub server_features: u32,
    /// 0 unless a reconnection is under way.
    pub connection: u32,
    /// The store's error; 0 for none.
    pub error: u32,
}

/// What each message of xenstore starts with; numbers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[doc(alias = "xsd_sockmsg")]
pub struct StoreHeader {
    /// A [`StoreMessage`].
    pub kind: u32,
    /// Chosen by the sender of a request; the reply has it again.
    pub request: u32,
    /// The transaction that it belongs to; 0 for none.
    pub transaction: u32,
    /// Bytes after the header, at most 4096.
    pub len: u32,
}

/// Kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum StoreMessage {
    /// The names below a path.
    Directory = 1,
    /// The value of a path.
    Read = 2,
    /// An event whenever something at or below a path changes.
    Watch = 4,
    /// No more of them.
    Unwatch = 5,
    /// A transaction begins.
    TransactionStart = 6,
    /// It ends: `T` keeps what it did, `F` does not.
    TransactionEnd = 7,
    /// The path of a domain.
    GetDomainPath = 10,
    /// A new value for a path.
    Write = 11,
    /// A path without a value.
    MakeDirectory = 12,
    /// A path goes, with all below it.
    Remove = 13,
    /// From the store: a watched path changed.
    WatchEvent = 15,
    /// From the store: the request failed.
    Error = 16,
}

const _: () = assert!(offset_of!(ConsoleRing, out_cons) == 3080);
const _: () = assert!(offset_of!(StoreRing, req_cons) == 2048);
const _: () = assert!(size_of::<StoreHeader>() == 16);
