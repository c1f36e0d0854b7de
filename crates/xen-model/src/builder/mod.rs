//! The domain builder's twin: what a guest finds at entry, made from what a person configures.
//!
//! The toolstack's builder for a guest and Xen's own for the initial domain differ in the order of page tables, in
//! rings, flags and in what they clear; both are here. [`Domain::build`] ends where the image's entry code ends:
//! shared_info is mapped over its page, next comes `boot::boot`.
//!
//! Mirrors tools/libs/guest/xg_dom_core.c (`xc_dom_build_image`), xg_dom_x86.c (`alloc_magic_pages_pv`,
//! `alloc_pgtables_pv`, `alloc_p2m_list_x86_64`, `start_info_x86_64`) and xen/arch/x86/pv/dom0_build.c.

mod domain;
mod hand_over;
mod physmap;
mod rows;
mod table_count;
mod tables;

use core::fmt;

use super::machine::Machine;
use super::memory::{Contents, Memory, SCRUB};
use crate::state::Xen;
pub use domain::{BuildError, Domain, Hardware, ImageShape, Notes, P2mNote, Ramdisk, RamdiskNote};
pub use physmap::{Part, Piece};
pub use rows::Rows;
use xen::abi::StartInfo;
use xen::addr::PfnRange;
use xen::pte::Level;
use xen::start_info::{Facts, Role};

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
            ramdisk_bytes: self.ramdisk.map_or(&[], Ramdisk::pages),
            zeroed: PfnRange::between(rows.image.start, cleared),
        }
    }
}
