//! Why a boot ended early: one variant per stage, closed.
//!
//! Each stage has a small error of its own, which says what was expected, what was found and what to do; this one
//! adds the stage, and whether the domain's builder or this kernel is at fault ([`BootError::verdict`]).

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;

use crate::stage::Stage;
use ko_loader::ModuleError;
use pv_memory::error::MmError;
use pv_memory::layout::LayoutError;
use pv_memory::p2m::verify::Verified;
use pv_memory::walk::WalkError;
use xen::Trapped;
use xen::start_info::FieldError;
use xen::verdict::Verdict;

/// An error that ends the boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// Stage 1: start_info is not correct.
    StartInfo(FieldError),
    /// Stage 2: its fields contradict each other.
    Layout(LayoutError),
    /// Stage 3: the page tables are not what start_info says.
    Walk(WalkError),
    /// Stages 4 to 8.
    Memory(Stage, MmError),
    /// The P2M and Xen's M2P differ.
    Verify(Stage, Verified),
    /// An address that must no longer be mapped can be read.
    StillMapped(u64),
    /// Data written to an area did not come back.
    Pattern(u64),
    /// Frames are missing after everything was given back.
    Leak {
        /// Free pages expected.
        expected: u64,
        /// Free pages found.
        found: u64,
    },
    /// Stage 9: the ramdisk or an object in it is not what it should be.
    Module(String, ModuleError),
    /// Stage 9: a module's init returned an error.
    Init(String, i32),
    /// Stage 9: an exception ended a module's init or exit function, which is named.
    Trapped(String, &'static str, Trapped),
    /// Stage 9: a module cannot be unloaded, because the named ones use it.
    InUse(String, Vec<String>),
    /// Stage 9: a module was unloaded that another one uses.
    Lost(String),
    /// Stage 9: some modules could not be loaded; each was reported.
    Modules {
        /// How many.
        failed: usize,
        /// Out of how many.
        of: usize,
        /// The worst of their verdicts.
        worst: Verdict,
    },
    /// Stage 9: `modules=` names a module that does not exist.
    NoSuchModule(String),
}

impl BootError {
    /// Returns the verdict: a failure of what is tested, an error in the input, or beyond what this kernel can do.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::StartInfo(error) => error.verdict(),
            Self::Memory(_, MmError::Frames(_) | MmError::NoRoom { .. }) => Verdict::Error,
            Self::Memory(_, MmError::TooManyPages { .. }) => Verdict::Skip,
            Self::Module(..) | Self::NoSuchModule(_) => Verdict::Error,
            Self::Modules { worst, .. } => *worst,
            _ => Verdict::Failure,
        }
    }

    /// Returns the stage that the error belongs to.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::StartInfo(_) => Stage::StartInfo,
            Self::Layout(_) => Stage::Layout,
            Self::Walk(_) => Stage::Walk,
            Self::Memory(stage, _) | Self::Verify(stage, _) => *stage,
            Self::StillMapped(_) => Stage::Cleanup,
            Self::Pattern(_) | Self::Leak { .. } => Stage::Vmalloc,
            Self::Module(..) | Self::Init(..) | Self::Trapped(..) => Stage::Module,
            Self::InUse(..) | Self::Lost(_) | Self::Modules { .. } | Self::NoSuchModule(_) => Stage::Module,
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartInfo(error) => error.fmt(f),
            Self::Layout(error) => error.fmt(f),
            Self::Walk(error) => error.fmt(f),
            Self::Memory(_, error) => error.fmt(f),
            Self::Verify(_, seen) => seen.fmt(f),
            Self::StillMapped(at) => {
                write!(f, "{at:#x} can still be read: expected a fault, it was unmapped")
            }
            Self::Pattern(at) => {
                write!(f, "the word at {at:#x} is not the one written: expected its own address")
            }
            Self::Leak { expected, found } => write!(f, "{found} pages free: expected {expected}, as before"),
            Self::Module(name, error) => write!(f, "{name}: {error}"),
            Self::Init(name, code) => {
                write!(f, "{name}: init_module returned {code}: expected 0; it was unloaded")
            }
            Self::Trapped(name, function, Trapped { vector, rip }) => {
                write!(
                    f,
                    "{name}: exception {vector} at {rip:#018x} in {function}: expected it to return; "
                )?;
                f.write_str("it was unloaded")
            }
            Self::InUse(name, users) => {
                write!(f, "{name}: in use by {}: expected no user, it stays", users.join(", "))
            }
            Self::Lost(name) => {
                write!(f, "{name}: it was unloaded: expected a refusal, another module uses it")
            }
            Self::Modules { failed, of, .. } => {
                write!(f, "{failed} of {of} modules did not load: expected all; each is reported above")
            }
            Self::NoSuchModule(name) => {
                write!(
                    f,
                    "modules={name}: there is no such module: expected one that is in the ramdisk, or hello without one"
                )
            }
        }
    }
}

impl From<FieldError> for BootError {
    fn from(error: FieldError) -> Self {
        Self::StartInfo(error)
    }
}

impl From<LayoutError> for BootError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

impl From<WalkError> for BootError {
    fn from(error: WalkError) -> Self {
        Self::Walk(error)
    }
}

/// Names the stage that a memory error belongs to.
pub(crate) trait InStage<T> {
    /// Adds the stage.
    fn stage(self, stage: Stage) -> Result<T, BootError>;
}

impl<T> InStage<T> for Result<T, MmError> {
    fn stage(self, stage: Stage) -> Result<T, BootError> {
        self.map_err(|error| BootError::Memory(stage, error))
    }
}
