//! Commands of `mmuext_op`.
//!
//! The boot uses only one, a flush; the conformance programs and the model of Xen use the others. `abi` has the
//! structure that they go into; tests/model/abi.rs compares each number with the header.
//!
//! Source: xen/include/public/xen.h (`MMUEXT_*`).

/// Pins a table of level 1: it keeps its type.
pub const PIN_L1_TABLE: u32 = 0;
/// Pins a table of level 2.
pub const PIN_L2_TABLE: u32 = 1;
/// Pins a table of level 3.
pub const PIN_L3_TABLE: u32 = 2;
/// Pins a table of level 4.
pub const PIN_L4_TABLE: u32 = 3;
/// Removes a pin.
pub const UNPIN_TABLE: u32 = 4;
/// Loads another table of level 4.
pub const NEW_BASEPTR: u32 = 5;
/// Flushes this vCPU's TLB.
pub const TLB_FLUSH_LOCAL: u32 = 6;
/// Flushes one translation of this vCPU.
pub const INVLPG_LOCAL: u32 = 7;
/// Flushes the TLBs of some vCPUs.
pub const TLB_FLUSH_MULTI: u32 = 8;
/// Flushes one translation of some vCPUs.
pub const INVLPG_MULTI: u32 = 9;
/// Flushes the TLBs of all vCPUs.
pub const TLB_FLUSH_ALL: u32 = 10;
/// Flushes one translation of all vCPUs.
pub const INVLPG_ALL: u32 = 11;
/// Writes the caches back; for domains with hardware.
pub const FLUSH_CACHE: u32 = 12;
/// Sets the local descriptor table.
pub const SET_LDT: u32 = 13;
/// Sets the table of level 4 of user mode.
pub const NEW_USER_BASEPTR: u32 = 15;
/// Fills a page with zeros.
pub const CLEAR_PAGE: u32 = 16;
/// Copies a page.
pub const COPY_PAGE: u32 = 17;
/// Marks 2 MiB as one page.
pub const MARK_SUPER: u32 = 19;
/// Removes that mark.
pub const UNMARK_SUPER: u32 = 20;
