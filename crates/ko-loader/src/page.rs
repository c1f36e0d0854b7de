//! Pages: rights are given by the page, so parts of a module begin on one.

/// Bytes in a page.
pub(crate) const PAGE_SIZE: u64 = 4096;

/// Pages that hold `bytes` bytes, the last one perhaps in part.
pub(crate) const fn pages_for(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_SIZE)
}
