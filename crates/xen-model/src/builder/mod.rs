//! The domain builder's twin: what a guest finds at entry, made from what a person configures.
//!
//! The toolstack's builder for a guest and Xen's own for the initial domain differ in the order of page tables, in
//! rings, flags and in what they clear; both are here. [`Domain::build`] ends where the image's entry code ends:
//! shared_info is mapped over its page, next comes `boot::boot`.
//!
//! Mirrors tools/libs/guest/xg_dom_core.c (`xc_dom_build_image`), xg_dom_x86.c (`alloc_magic_pages_pv`,
//! `alloc_pgtables_pv`, `alloc_p2m_list_x86_64`, `start_info_x86_64`) and xen/arch/x86/pv/dom0_build.c.

mod hand_over;
mod physmap;
mod rows;
mod tables;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use std::sync::OnceLock;

use super::machine::Machine;
use super::memory::{Contents, Memory, SCRUB};
use crate::hypervisor::Xen;
pub use physmap::{Part, Piece};
pub use rows::Rows;
use xen::abi::StartInfo;
use xen::addr::{Mfn, PAGE_SIZE, PfnRange};
use xen::pte::Level;
use xen::start_info::{Facts, Role};

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
    /// Absent: the list lies behind the ramdisk.
    None,
    /// Present: the list is mapped at 512 GiB, as Linux asks for.
    InitP2m,
}

/// `XEN_ELFNOTE_MOD_START_PFN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RamdiskNote {
    /// Absent: the ramdisk is mapped behind the image.
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
    /// Who builds: the toolstack, or Xen itself.
    pub role: Role,
    /// Whether a guest was given hardware.
    pub hardware: Hardware,
    /// Pages without a frame, behind everything that the builder places.
    pub holes: Vec<PfnRange>,
    /// Which permutation scatters the frames.
    pub seed: u64,
    /// Lowest frame of the machine's RAM.
    pub first_mfn: Mfn,
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
            role: Role::Guest,
            hardware: Hardware::None,
            holes: Vec::new(),
            seed: 1,
            first_mfn: Mfn::new(0x10_0000),
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

/// A domain at the point where `boot::boot` is called.
pub struct Built {
    /// The modelled Xen, with the domain on it.
    pub xen: Xen,
    /// What %rsi points to.
    pub start_info: StartInfo,
    /// What the image knows about itself.
    pub facts: Facts,
    /// Where everything was put.
    pub rows: Rows,
}

/// Without start_info, whose command line is 1024 bytes.
impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { xen, rows, .. } = self;
        f.debug_struct("Built").field("xen", xen).field("rows", rows).finish_non_exhaustive()
    }
}

impl Domain {
    /// Builds the domain, and does what the image's entry code does.
    ///
    /// # Errors
    /// [`BuildError`] if a builder could not.
    ///
    /// # Panics
    /// If the model refuses the builder's own page tables: one of the two is wrong.
    pub fn build(&self) -> Result<Built, BuildError> {
        let rows = self.rows()?;
        let large =
            rows.physmap.iter().filter(|piece| matches!(piece.part, Part::List(Level::L2 | Level::L3)));
        let machine = Machine::new(self.pages, self.first_mfn, self.seed, self.holes.clone())
            .with_blocks(large.map(|piece| piece.pages));
        let mut memory = Memory::new(machine, self.contents(&rows));
        let root = tables::fill(&mut memory, self, &rows);
        let hardware = match self.role {
            Role::Guest => self.hardware,
            Role::InitialDomain => Hardware::Some,
        };
        let mut xen = Xen::new(memory, self.role, hardware, root);
        xen.pin(root, Level::L4).expect("the builder pins its L4 table");
        xen.load(root).expect("the builder's L4 table is loaded");
        if self.role == Role::InitialDomain && !rows.physmap.is_empty() {
            let top = tables::fill_physmap(&mut xen.memory, &rows.physmap, self.role);
            xen.hook_unchecked(physmap::INIT_P2M, top);
        }
        let facts = hand_over::facts(self, &rows);
        let start_info = hand_over::start_info(self, &rows, &xen);
        hand_over::enter(&mut xen, &start_info, &facts);
        Ok(Built { xen, start_info, facts, rows })
    }

    /// A guest's builder clears its segments; Xen's own clears the tables, start_info and the image's bss, but not the
    /// stack.
    fn contents(&self, rows: &Rows) -> Contents {
        let cleared = if self.role == Role::Guest { rows.stack.end } else { rows.tables.end };
        Contents {
            list: rows.list_runs().collect(),
            list_tail: if self.role == Role::Guest { 0 } else { SCRUB },
            ramdisk: rows.ramdisk,
            ramdisk_bytes: self.ramdisk.map_or(&[], |ramdisk| ramdisk.pages),
            zeroed: PfnRange::between(rows.image.start, cleared),
        }
    }
}
