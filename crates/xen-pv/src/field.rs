//! Checks of start_info's fields, and the error for a field that fails one.
//!
//! Neighbours: `early` checks the fields that the entry needs, `start_info` the rest.

use core::fmt;

use crate::Verdict;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::area;

/// Who has to fix a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The builder: the field is wrong.
    Builder,
    /// The person who starts the domain: the field is correct, but beyond what this kernel supports.
    Limit,
}

/// A field of start_info that cannot be correct, or that this kernel cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the field.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
    /// What it is.
    pub found: u64,
    /// What to do about it.
    pub advice: &'static str,
    /// Who has to do it.
    pub fault: Fault,
}

impl FieldError {
    /// Returns the boot's verdict: the builder is wrong, or this kernel cannot work with the domain.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self.fault {
            Fault::Builder => Verdict::Failure,
            Fault::Limit => Verdict::Skip,
        }
    }
}

impl core::error::Error for FieldError {}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected, found, advice, fault: _ } = self;
        write!(f, "start_info.{field}: expected {expected}, found {found:#x}; {advice}")
    }
}

const BUILDER: &str = "the domain builder is at fault: compare with the toolstack's -vvv log";

pub(crate) fn checked(
    field: &'static str,
    expected: &'static str,
    found: u64,
    holds: impl Fn(u64) -> bool,
) -> Result<u64, FieldError> {
    if holds(found) { Ok(found) } else { Err(false_field(field, expected, found)) }
}

pub(crate) const fn false_field(field: &'static str, expected: &'static str, found: u64) -> FieldError {
    FieldError { field, expected, found, advice: BUILDER, fault: Fault::Builder }
}

/// An address of the initial mapping, page-aligned.
pub(crate) fn high_page(field: &'static str, raw: u64) -> Result<VirtAddr, FieldError> {
    let expected = "a page-aligned address of the high mapping, 0xffffffff80000000 or more";
    let found = checked(field, expected, raw, |at| at >= area::HIGH.as_u64() && at % PAGE_SIZE == 0)?;
    Ok(VirtAddr::new_truncate(found))
}
