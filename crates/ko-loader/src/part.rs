//! Parts of a module in memory: which sections share pages, and what those pages must allow.
//!
//! The answer depends on a section's flags and, for the lifetime, on its name: `.init.*` is needed until
//! initialization has returned. No part is both writable and executable, so no section may be.
//!
//! Neighbours: `plan` lays the parts out; the loader maps each with its `Permission`.
//! Sources: System V gABI, chapter 4 (`sh_flags`, `sh_addralign`); the kinds are those of Linux's
//! `enum mod_mem_type`.

use core::fmt;

use crate::page::{PAGE_SIZE, pages_for};
use crate::section::Section;

/// Largest image, in bytes. The largest Linux modules (graphics drivers) come to some tens of MiB.
pub const IMAGE_MAX: u64 = 256 << 20;
/// Pages of an image with the same permissions and the same lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What the part holds.
    pub kind: PartKind,
    /// Offset of its first byte in the image; a multiple of the page size.
    pub offset: u64,
    /// Bytes in use; the rest of the last page is zero.
    pub bytes: u64,
}

/// Kinds of parts, in their order in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Instructions.
    Text,
    /// Constants, and the GOT.
    Rodata,
    /// Variables, initialised or zero.
    Data,
    /// Instructions of `.init.*` sections.
    InitText,
    /// Constants of `.init.*` sections.
    InitRodata,
    /// Variables of `.init.*` sections.
    InitData,
}

/// What a part's pages must allow once the module is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read and execute.
    Execute,
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

/// How long a part is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as the module is loaded.
    Resident,
    /// Until `init_module` has returned.
    Init,
}

/// Why an object has no place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// An alignment is no power of two or exceeds a page.
    Alignment { section: u32, found: u64 },
    /// A section is both writable and executable.
    WritableCode { section: u32 },
    /// A section is of a kind that the loader does not serve.
    Unsupported { section: u32, what: &'static str },
    /// The image would exceed `IMAGE_MAX`, at the latest with this section.
    TooBig { section: u32, bytes: u64 },
}

impl Part {
    /// Returns the number of pages.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        pages_for(self.bytes)
    }
}

impl PartKind {
    /// Every kind, in order of placement.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Rodata, Self::Data, Self::InitText, Self::InitRodata, Self::InitData];

    /// Returns what the pages of the part must allow, and no more.
    #[must_use]
    pub const fn permission(self) -> Permission {
        match self {
            Self::Text | Self::InitText => Permission::Execute,
            Self::Rodata | Self::InitRodata => Permission::Read,
            Self::Data | Self::InitData => Permission::Write,
        }
    }

    /// Returns how long the part is needed.
    #[must_use]
    pub const fn lifetime(self) -> Lifetime {
        match self {
            Self::Text | Self::Rodata | Self::Data => Lifetime::Resident,
            Self::InitText | Self::InitRodata | Self::InitData => Lifetime::Init,
        }
    }

    const fn new(permission: Permission, lifetime: Lifetime) -> Self {
        match (lifetime, permission) {
            (Lifetime::Resident, Permission::Execute) => Self::Text,
            (Lifetime::Resident, Permission::Read) => Self::Rodata,
            (Lifetime::Resident, Permission::Write) => Self::Data,
            (Lifetime::Init, Permission::Execute) => Self::InitText,
            (Lifetime::Init, Permission::Read) => Self::InitRodata,
            (Lifetime::Init, Permission::Write) => Self::InitData,
        }
    }
}

/// Returns the part that a section belongs to; none if it is not loaded.
pub(crate) fn kind_of(section: &Section<'_>) -> Result<Option<PartKind>, PlanError> {
    if !section.is_loaded() {
        return Ok(None);
    }
    if let Some(what) = unsupported(section) {
        return Err(PlanError::Unsupported { section: section.index, what });
    }
    let permission = match (section.is_code(), section.is_writable()) {
        (true, true) => return Err(PlanError::WritableCode { section: section.index }),
        (true, false) => Permission::Execute,
        (false, true) => Permission::Write,
        (false, false) => Permission::Read,
    };
    let early = section.name.starts_with(".init.");
    Ok(Some(PartKind::new(permission, if early { Lifetime::Init } else { Lifetime::Resident })))
}

/// Rounds `at` up to the section's alignment.
pub(crate) fn align(at: u64, section: &Section<'_>) -> Result<u64, PlanError> {
    let align = section.align.max(1);
    if !align.is_power_of_two() || align > PAGE_SIZE {
        return Err(PlanError::Alignment { section: section.index, found: align });
    }
    Ok(at.next_multiple_of(align))
}

/// Returns the end of `bytes` bytes at `at`; both stay within `IMAGE_MAX`, so no sum can overflow.
pub(crate) fn extend(at: u64, bytes: u64, section: u32) -> Result<u64, PlanError> {
    let end = at.checked_add(bytes).filter(|end| *end <= IMAGE_MAX);
    end.ok_or(PlanError::TooBig { section, bytes })
}

fn unsupported(section: &Section<'_>) -> Option<&'static str> {
    if section.is_thread_local() {
        Some("thread-local data")
    } else if section.is_compressed() {
        Some("a compressed section")
    } else if section.is_function_list() {
        Some("constructors")
    } else {
        None
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Text => "text",
            Self::Rodata => "rodata",
            Self::Data => "data",
            Self::InitText => "init text",
            Self::InitRodata => "init rodata",
            Self::InitData => "init data",
        })
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Alignment { section, found } => {
                write!(
                    f,
                    "section {section}: sh_addralign: expected a power of two up to {PAGE_SIZE}, found {found}"
                )
            }
            Self::WritableCode { section } => {
                write!(f, "section {section}: sh_flags: expected writable or executable, found both")
            }
            Self::Unsupported { section, what } => {
                write!(f, "section {section}: expected code or data, found {what}")
            }
            Self::TooBig { section, bytes } => {
                write!(
                    f,
                    "section {section}: expected an image of up to {IMAGE_MAX} bytes, found {bytes} more"
                )
            }
        }
    }
}
