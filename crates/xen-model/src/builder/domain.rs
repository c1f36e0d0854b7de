//! What a person configures, and why a builder can refuse it: what `xl.cfg` and an image's notes say.
//!
//! Neighbours: `rows` lays it out, the files beside it carry it out.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use std::sync::OnceLock;

use super::Fault;
use xen::addr::{Mfn, PAGE_SIZE, PfnRange};
use xen::start_info::Role;

/// Pages of the image's parts; data is the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// All of it.
    pub pages: u64,
    /// Code.
    pub text: u64,
    /// Constants.
    pub rodata: u64,
}

/// `XEN_ELFNOTE_INIT_P2M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P2mNote {
    /// Absent: the list lies after the ramdisk.
    None,
    /// Present: the list is mapped at 512 GiB, as Linux asks for.
    InitP2m,
}

/// `XEN_ELFNOTE_MOD_START_PFN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RamdiskNote {
    /// Absent: the ramdisk is mapped after the image.
    None,
    /// Present: the ramdisk is in memory only.
    ModStartPfn,
}

/// The notes of the image that change the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notes {
    /// Where the list goes.
    pub p2m: P2mNote,
    /// Where the ramdisk goes.
    pub ramdisk: RamdiskNote,
}

impl Notes {
    /// Both: list and ramdisk are out of the high mapping.
    pub const BOTH: Self = Self { p2m: P2mNote::InitP2m, ramdisk: RamdiskNote::ModStartPfn };
}

/// Who builds the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Builder {
    /// libxenguest, for a guest.
    Toolstack,
    /// Xen itself, for the initial domain.
    Xen,
    /// Xen again, inside a PVH domain: pv-shim, whose only domain is an ordinary guest.
    Shim,
    /// GRUB, which the toolstack starts in a guest, and which puts the image in its own place.
    Grub,
}

impl Builder {
    /// Every builder.
    pub const ALL: [Self; 4] = [Self::Toolstack, Self::Xen, Self::Shim, Self::Grub];

    /// Returns what the domain is when it is built.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Xen => Role::InitialDomain,
            Self::Toolstack | Self::Shim | Self::Grub => Role::Guest,
        }
    }

    /// Tells whether this is the code of Xen's that builds the initial domain, which is also the shim's.
    pub(crate) const fn is_hypervisor(self) -> bool {
        matches!(self, Self::Xen | Self::Shim)
    }
}

/// Whether the domain was given a device, or any I/O port or memory: Xen lets it choose how memory is cached then
/// (`cache_flush_permitted`). The initial domain always was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// Nothing: an ordinary guest.
    None,
    /// Something.
    Some,
}

/// A ramdisk: bytes that outlive every test, rounded up to whole pages with zeros.
#[derive(Clone, Copy)]
pub struct Ramdisk {
    bytes: u64,
    pages: &'static [u8],
}

impl Ramdisk {
    /// Most bytes that a blank ramdisk can have.
    const MOST: u64 = 1 << 30;

    /// Keeps a copy of `content`, forever.
    #[must_use]
    pub fn holding(content: &[u8]) -> Self {
        let bytes = content.len() as u64;
        let mut pages = content.to_vec();
        pages.resize(content.len().next_multiple_of(PAGE_SIZE as usize), 0);
        Self { bytes, pages: Box::leak(pages.into_boxed_slice()) }
    }

    /// Makes a ramdisk of zeros, up to 1 GiB; it takes no memory, whatever its length.
    #[must_use]
    pub fn blank(bytes: u64) -> Self {
        static ZEROS: OnceLock<Vec<u8>> = OnceLock::new();
        let zeros = ZEROS.get_or_init(|| vec![0; Self::MOST as usize]);
        Self { bytes, pages: &zeros[..bytes.next_multiple_of(PAGE_SIZE) as usize] }
    }

    /// Returns its whole pages.
    pub(super) const fn pages(self) -> &'static [u8] {
        self.pages
    }

    /// Returns its length in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }
}

impl fmt::Debug for Ramdisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ramdisk({} bytes)", self.bytes)
    }
}

/// What a person configures.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Pages of RAM, and entries of the P2M.
    pub pages: u64,
    /// The image.
    pub image: ImageShape,
    /// Its notes.
    pub notes: Notes,
    /// The ramdisk.
    pub ramdisk: Option<Ramdisk>,
    /// Who builds.
    pub builder: Builder,
    /// Whether a guest was given hardware.
    pub hardware: Hardware,
    /// Pages without a frame, after everything that the builder places.
    pub holes: Vec<PfnRange>,
    /// Which permutation scatters the frames; 0 leaves them in one piece.
    pub seed: u64,
    /// Lowest frame of the machine's RAM.
    pub first_mfn: Mfn,
    /// The kernel's command line; what does not fit into its 1023 bytes is cut, as builders cut it.
    pub command_line: &'static str,
    /// What the builder does wrong.
    pub fault: Option<Fault>,
}

impl Domain {
    /// A guest with so many MiB, a small image, and nothing special.
    #[must_use]
    pub const fn guest(mib: u64) -> Self {
        Self {
            pages: mib * 256,
            image: ImageShape { pages: 300, text: 80, rodata: 40 },
            notes: Notes { p2m: P2mNote::None, ramdisk: RamdiskNote::None },
            ramdisk: None,
            builder: Builder::Toolstack,
            hardware: Hardware::None,
            holes: Vec::new(),
            seed: 1,
            first_mfn: Mfn::new(0x10_0000),
            command_line: "",
            fault: None,
        }
    }
}

/// Why a builder gives up before the guest has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The elements do not fit the domain's memory, or a hole is in their way.
    NoMemory {
        /// Pages that they need.
        needed: u64,
    },
    /// The initial mapping does not fit the upper 2 GiB of address space.
    NoAddresses,
}
