//! The domain builders: what a guest finds at entry, made from what a person configures.
//!
//! The toolstack's builder for a guest, Xen's own for the initial domain and in the shim, and GRUB differ in the order
//! of page tables, in rings, flags and in what they clear (docs/builders.md). [`Domain::build`] ends where the image's
//! entry code ends: shared_info is mapped over its page, next comes `boot::boot`.
//!
//! Mirrors tools/libs/guest/xg_dom_core.c (`xc_dom_build_image`), xg_dom_x86.c (`alloc_magic_pages_pv`,
//! `alloc_pgtables_pv`, `alloc_p2m_list_x86_64`, `start_info_x86_64`) and xen/arch/x86/pv/dom0_build.c,
//! xen/arch/x86/pv/shim.c, and GRUB's grub-core/loader/i386/xen.c.

mod domain;
mod fault;
mod hand_over;
mod physmap;
mod plant;
mod rows;
mod table_count;
mod tables;

use alloc::vec::Vec;
use core::fmt;

use super::contents::{Contents, SCRUB};
use super::list_pages::{ListPages, MappedBy};
use super::machine::Machine;
use super::memory::Memory;
use crate::scatter::Scatter;
use crate::state::Xen;
pub use domain::{BuildError, Builder, Domain, Hardware, ImageShape, Notes, P2mNote, Ramdisk, RamdiskNote};
pub use fault::Fault;
pub use physmap::{Part, Piece};
pub use rows::Rows;
use xen::abi::StartInfo;
use xen::addr::{ENTRIES, Pfn, PfnRange};
use xen::pte::Level;
use xen::start_info::Facts;

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

impl Built {
    /// Returns the list's entry of a page, past all checks.
    ///
    /// # Panics
    /// If the list ends before.
    pub fn list_entry(&mut self, pfn: Pfn) -> &mut u64 {
        let list = ListPages::new(self.rows.list_runs(), MappedBy::HighMapping);
        let page = list.page(pfn.raw() / ENTRIES).expect("the list has an entry for the page");
        let frame = self.xen.machine().mfn(page).expect("builders place nothing in a hole");
        &mut self.xen.frame_mut(frame)[(pfn.raw() % ENTRIES) as usize]
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
        let scatter = Scatter::new(self.pages, self.first_mfn, self.seed, self.holes.clone())
            .with_blocks(self.blocks(&rows));
        let machine = Machine::new(scatter);
        let mut memory = Memory::new(machine, self.contents(&rows));
        let root = tables::fill(&mut memory, self, &rows);
        let hardware = if self.builder == Builder::Xen { Hardware::Some } else { self.hardware };
        let mut xen = Xen::new(memory, self.builder, hardware, root);
        if self.builder == Builder::Shim {
            [rows.store, rows.console].iter().for_each(|ring| xen.share(ring.start));
        }
        xen.pin(root, Level::L4).expect("the builder pins its L4 table");
        xen.load(root).expect("the builder's L4 table is loaded");
        if self.builder.is_hypervisor() && !rows.physmap.is_empty() {
            let top = tables::fill_physmap(&mut xen.memory, &rows.physmap, self.builder);
            xen.hook_unchecked(physmap::INIT_P2M, top);
        }
        let facts = hand_over::facts(self, &rows);
        let start_info = hand_over::start_info(self, &rows, &xen);
        hand_over::enter(&mut xen, &start_info, &facts);
        let mut built = Built { xen, start_info, facts, rows };
        if let Some(fault) = self.fault {
            fault.plant(&mut built);
        }
        Ok(built)
    }

    /// Pages whose frames are no scattered ones: a large page of the list lies in one piece; the shim's rings lie in
    /// frames of Xen's own, and those that they took the place of stay with the domain, unused.
    fn blocks(&self, rows: &Rows) -> impl Iterator<Item = PfnRange> {
        let is_large = |piece: &&Piece| matches!(piece.part, Part::List(Level::L2 | Level::L3));
        let large = rows.physmap.iter().filter(is_large).map(|piece| piece.pages);
        let rings = [rows.store, rows.console].into_iter().filter(|_| self.builder == Builder::Shim);
        large.chain(rings).collect::<Vec<_>>().into_iter()
    }

    /// The toolstack clears its segments; Xen clears tables, start_info and the image's bss, but not the stack; GRUB
    /// the bss alone, besides tables, which are cleared where they are filled.
    fn contents(&self, rows: &Rows) -> Contents {
        let cleared = match self.builder {
            Builder::Toolstack => rows.stack.end,
            Builder::Xen | Builder::Shim => rows.tables.end,
            Builder::Grub => rows.image.end,
        };
        let mapped_by = if self.list_is_mapped() { MappedBy::HighMapping } else { MappedBy::OwnMapping };
        Contents {
            list: ListPages::new(rows.list_runs(), mapped_by),
            list_tail: if self.builder == Builder::Toolstack { 0 } else { SCRUB },
            ramdisk: rows.ramdisk,
            ramdisk_bytes: self.ramdisk.map_or(&[], Ramdisk::pages),
            zeroed: PfnRange::between(rows.image.start, cleared),
        }
    }
}
