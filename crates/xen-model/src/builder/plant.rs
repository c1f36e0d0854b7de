//! Plants a builder's mistake: most are fields of start_info, two are in memory.
//!
//! Planted after the image's entry code, past all checks of the model's own builders. Neighbour: `fault` names them.

use super::{Built, Fault};
use crate::entry::{PRESENT, USER};
use xen::addr::PAGE_SIZE;
use xen::area::high;
use xen::pte::Level;

impl Fault {
    /// Plants it.
    ///
    /// # Panics
    /// If the domain lacks what the fault is in: a ramdisk, a list with a mapping of its own.
    pub(super) fn plant(self, built: &mut Built) {
        let rows = &built.rows;
        let info = &mut built.start_info;
        match self {
            // `Domain::rows` did it.
            Self::ListPageShort => {}
            Self::P2mFrameFewer => info.nr_p2m_frames -= 1,
            Self::TableFrameFewer => info.nr_pt_frames -= 1,
            Self::RamdiskInTable => ramdisk_in_table(built),
            Self::RingInList => {
                let page = rows.list_runs().next().expect("there is a list").start;
                info.console_mfn = built.xen.machine().mfn(page).expect("the list has frames").raw();
            }
            Self::StaleList => {
                let before = if rows.list.is_empty() { rows.start_info.start } else { rows.image.end };
                let is_there = !rows.list.is_empty() && rows.list.start == before;
                assert!(!is_there, "a list after the image was never elsewhere");
                info.mfn_list = high(before).as_u64();
            }
        }
    }
}

/// A builder that maps such a page maps it read-only, or Xen refuses the table.
fn ramdisk_in_table(built: &mut Built) {
    let (ramdisk, table) = (built.rows.ramdisk.start, built.rows.tables.start.plus(1));
    assert!(!built.rows.ramdisk.is_empty(), "there is no ramdisk");
    let frame = built.xen.machine().mfn(table).expect("tables have frames");
    *built.list_entry(ramdisk) = frame.raw();
    if ramdisk < built.rows.mapped_end {
        let at = high(ramdisk);
        let table = built.xen.table_at(at, Level::L1).expect("the ramdisk is mapped");
        built.xen.frame_mut(table)[Level::L1.index(at)] = (frame.raw() * PAGE_SIZE) | PRESENT | USER;
    }
}
